/**
 * Channel counts in types, so that `nn.sequential` rejects neighbours that do not fit while the code is being
 * written. Whether one layer may follow another is a matter of assignability and not of a conditional type:
 * the compiler then decides it inside generic functions too, where counts are type parameters.
 */
import type { Module } from './module';

/** Carried by layers that take `In` channels or features and return `Out`. Exists in types only. */
export interface Channels<In extends number, Out extends number> {
  /** A method, whose parameters are compared both ways: 32 fits 32 and any number, but not 64. */
  in(channels: In): void;
  readonly out: Out;
}

/** Carried by layers that return as many channels as they take. */
export interface PassThrough {
  /** A method, as in {@link Channels}. */
  in(channels: never): void;
  readonly same: true;
}

/** A layer that can follow where `Now` channels come out. */
interface After<Now> {
  readonly channels?: { in(channels: Now): void };
}

/** Stands for a layer that says nothing about its channels: any layer may follow. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the one type that is assignable to each number
type Unknown = any;

/** What comes out of a layer that got `Now`. */
type Next<Layer, Now> = Layer extends { readonly channels?: infer C }
  ? NonNullable<C> extends { readonly out: infer Out }
    ? Out
    : NonNullable<C> extends PassThrough
      ? Now
      : Unknown
  : Unknown;

/** The channels that reach each layer, then those that leave the last one. */
type Flow<
  Layers extends readonly unknown[],
  Now = Unknown,
  Before extends readonly unknown[] = [],
> = Layers extends readonly [infer Head, ...infer Rest]
  ? Flow<Rest, Next<Head, Now>, [...Before, Now]>
  : [...Before, Now];

/** The layers, each such that it can follow the one before it. */
export type Chain<Layers extends readonly unknown[]> = {
  readonly [I in keyof Layers]: Layers[I] & After<Flow<Layers>[I & keyof Flow<Layers>]>;
};

/**
 * A layer that says nothing about its channels; inside a generic function, any layer whose type
 * is a parameter.
 */
export type Untyped = Module & { readonly channels?: undefined };

/** Channels that a chain takes: those of its first layer that says so. */
export type ChainIn<Layers extends readonly unknown[]> = Layers extends readonly [infer Head, ...infer Rest]
  ? Head extends { readonly channels?: infer C }
    ? NonNullable<C> extends PassThrough
      ? ChainIn<Rest>
      : NonNullable<C> extends Channels<infer In, number>
        ? In
        : number
    : number
  : number;

/** Channels that a chain returns: those of its last layer that says so. */
export type ChainOut<Layers extends readonly unknown[], Now = number> = Layers extends readonly [
  infer Head,
  ...infer Rest,
]
  ? ChainOut<Rest, Next<Head, Now>>
  : Now & number;
