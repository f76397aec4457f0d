/** Channel counts in types, so that `nn.sequential` rejects neighbours that do not fit while the code is being written. */

/** Carried by layers that take `In` channels or features and give `Out`. Exists in types only. */
export interface Channels<In extends number, Out extends number> {
  readonly in: In;
  readonly out: Out;
}

/** Carried by layers that give as many channels as they take, whatever that is. */
export interface PassThrough {
  readonly same: true;
}

type Tagged<C> = { readonly channels?: C };

/** What comes out of a layer that got `Now`; `number` when it is not known. */
type Next<Layer, Now extends number> =
  Layer extends Tagged<infer C>
    ? NonNullable<C> extends Channels<number, infer Out>
      ? Out
      : NonNullable<C> extends PassThrough
        ? Now
        : number
    : number;

/** `Layer` itself where it can follow, else a type that nothing fits and that says why. */
type Accepts<Layer, Now extends number> =
  Layer extends Tagged<infer C>
    ? NonNullable<C> extends Channels<infer In, number>
      ? number extends In | Now
        ? Layer
        : Now extends In
          ? Layer
          : Mismatch<`this layer expects ${In} channels, the one before gives ${Now}`>
      : Layer
    : Layer;

declare const never: unique symbol;

/** Nothing is of this type; editors and the compiler print the reason. */
export interface Mismatch<Reason extends string> {
  readonly mismatch: Reason;
  readonly [never]: never;
}

/** The layers, with a Mismatch in place of each that does not fit the one before it. */
export type Chain<Layers extends readonly unknown[], Now extends number = number> = Layers extends readonly [
  infer Head,
  ...infer Rest,
]
  ? readonly [Accepts<Head, Now>, ...Chain<Rest, Next<Head, Now>>]
  : Layers extends readonly []
    ? readonly []
    : Layers;

/** Channels that a chain takes: those of its first layer that says so. */
export type ChainIn<Layers extends readonly unknown[]> = Layers extends readonly [infer Head, ...infer Rest]
  ? Head extends Tagged<infer C>
    ? NonNullable<C> extends Channels<infer In, number>
      ? In
      : NonNullable<C> extends PassThrough
        ? ChainIn<Rest>
        : number
    : number
  : number;

/** Channels that a chain gives. */
export type ChainOut<
  Layers extends readonly unknown[],
  Now extends number = number,
> = Layers extends readonly [infer Head, ...infer Rest] ? ChainOut<Rest, Next<Head, Now>> : Now;
