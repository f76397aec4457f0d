/**
 * Layers that declare their settings once. The declaration provides the check of what a caller passes, the
 * fields, config(), and the way back from a file. `maker` and `register` make a kind of layer known to files.
 */
import { checkKeys, show } from '../options';
import { FormatError, OptionError } from '../errors';
import {
  declareSettings,
  type Declared,
  type Json,
  type OptionsOf,
  type Settings,
  type ValuesOf,
} from '../settings';
import { Module } from './module';

/** The name of a layer of kind `conv2d` in messages: `nn.conv2d`. */
function nameOf(kind: string): string {
  return `nn.${kind}`;
}

export interface Declaration {
  readonly args: Settings<Declared>;
  readonly settings: Settings<Declared>;
  /** Names of settings that are not fields. */
  readonly aside: readonly string[];
}

/**
 * A class whose instances have the settings as fields. `H`: settings that are not fields, because a field of
 * that name is something else (`bias` is a parameter).
 */
export type LayerBase<V, H extends string, M, Given extends readonly unknown[]> = Omit<
  typeof Module,
  'prototype'
> &
  Declaration &
  (abstract new (...given: Given) => M &
    Omit<V, H> & {
      /** @internal All settings as the constructor got them, checked and with defaults. */
      readonly given: V;
    });

/** The last argument of a constructor: optional if no option is required. */
export type Trailing<O> = Record<never, never> extends O ? [options?: O] : [options: O];

export type Base<M> = abstract new () => M;

const none = declareSettings({});

/**
 * The base of a layer that takes only options: `class LeakyReLU extends withSettings(settings)`. The settings
 * become fields of the layer. A subclass may replace them by settings of the same types with other defaults:
 * `static override readonly settings = ...`.
 */
export function withSettings<S extends Declared, M extends Module = Module>(
  settings: Settings<S>,
  base?: Base<M>,
): LayerBase<ValuesOf<S>, never, M, Trailing<OptionsOf<S>>>;
export function withSettings(settings: Settings<Declared>, base: Base<Module> = Module): unknown {
  abstract class Layer extends declaredLayer({ args: none, settings, aside: [] }, base) {
    constructor(options: unknown) {
      super({}, options);
    }
  }
  return Layer;
}

/**
 * The base of a layer with arguments before its options, `nn.linear(2, 3, { bias: false })`, which calls
 * `super({ inFeatures, outFeatures }, options)`. `aside`: options that are not fields, but are in `given`.
 */
export function withArguments<
  A extends Declared,
  S extends Declared,
  const H extends keyof S & string = never,
  M extends Module = Module,
>(
  args: Settings<A>,
  settings: Settings<S>,
  aside?: readonly H[],
  base?: Base<M>,
): LayerBase<ValuesOf<A> & ValuesOf<S>, H, M, [args: OptionsOf<A>, ...Trailing<OptionsOf<S>>]>;
export function withArguments(
  args: Settings<Declared>,
  settings: Settings<Declared>,
  aside: readonly string[] = [],
  base: Base<Module> = Module,
): unknown {
  return declaredLayer({ args, settings, aside }, base);
}

type Values = Readonly<Record<string, unknown>>;

function declaredLayer(declaration: Declaration, base: Base<Module>) {
  abstract class DeclaredLayer extends base {
    static readonly args = declaration.args;
    static readonly settings = declaration.settings;
    static readonly aside = declaration.aside;
    declare readonly given: Values;

    constructor(args: unknown, options: unknown) {
      super();
      // A subclass may have settings of its own.
      const own = new.target;
      const where = nameOf(this.kind);
      const given: Values = { ...own.args.read(where, args), ...own.settings.read(where, options) };
      // Not enumerable, so that it is not taken for a field of the layer.
      Object.defineProperty(this, 'given', { value: given });
      for (const [name, value] of Object.entries(given))
        if (!own.aside.includes(name)) Reflect.set(this, name, value);
    }

    /** The settings with the fields' present values: a caller may change some of them between steps. */
    override config(): Json {
      const { args, settings, aside } = this.constructor as typeof DeclaredLayer;
      const now = [...args.keys, ...settings.keys].map((name): [string, unknown] => [
        name,
        aside.includes(name) ? this.given[name] : Reflect.get(this, name),
      ]);
      const values = Object.fromEntries(now);
      return { ...args.toJson(values), ...settings.toJson(values) };
    }
  }
  return DeclaredLayer;
}

/** Settings from a file. They may have any type: layers check them as they check a caller's. */
export type Config = Readonly<Record<string, Json>>;

/** Builds a layer that another one holds, from its kind and settings in a file. */
export type Child = (layer: unknown) => Module;

type Rebuild = (config: Config, child: Child) => Module;

const kinds = new Map<string, Rebuild>();

/** The function that makes a layer of this kind from its settings in a file. */
export function rebuilderOf(kind: string): Rebuild | undefined {
  return kinds.get(kind);
}

/** Lets files hold layers of a kind that has no `maker`: those that hold other layers. */
export function register({ kind }: Pick<typeof Module, 'kind'>, rebuild: Rebuild): void {
  kinds.set(kind, rebuild);
}

/** @throws FormatError naming a setting of a file that the layer does not have */
export function refuseUnknown(config: Config, known: readonly string[]): void {
  const unknown = Object.keys(config).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new FormatError(`it has no setting ${show(unknown)}`);
}

/** What a layer's class says about itself; without `settings` if it has none. */
type LayerStatics = Pick<typeof Module, 'kind'> & Partial<Pick<Declaration, 'args' | 'settings'>>;

function isLayerClass(value: object): value is LayerStatics {
  return 'kind' in value && typeof value.kind === 'string';
}

/**
 * The function that makes layers of a class, `nn.conv2d` of `Conv2d`. From then on files can hold them. A
 * layer that has no options refuses what untyped callers pass: an ignored setting would make a model that
 * nobody asked for.
 */
export function maker<A extends readonly unknown[], M extends Module>(
  // Only a construct signature: TypeScript then gives the function the type parameters of the class.
  layer: new (...given: A) => M,
): (...given: A) => M {
  if (!isLayerClass(layer)) throw new OptionError(`${layer.name} has no kind`);
  const { kind, args = none, settings = none } = layer;
  const make = (...given: A): M => {
    if (settings.keys.length === 0) checkKeys(nameOf(kind), given[args.keys.length], []);
    return new layer(...given);
  };
  Object.defineProperty(make, 'name', { value: kind });
  kinds.set(kind, (config) => {
    const own = args.keys.map((key) => config[key]);
    const rest = Object.entries(config).filter(([key]) => !args.keys.includes(key));
    const built: unknown = Reflect.construct(layer, [...own, Object.fromEntries(rest)]);
    if (!(built instanceof Module)) throw new FormatError('it is not a layer');
    refuseUnknown(config, Object.keys(built.config() ?? {}));
    return built;
  });
  return make;
}
