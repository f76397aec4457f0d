/** One setting of anything: what it may be, what it is where nobody says, and one line about it. */

/** Plain data that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Limits of a number, named as in JSON Schema. */
export interface Bounds {
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
}

/** What a setting may be, as plain data: for the parser and the help of a flag, and for a search space. */
export type Domain =
  | ({ readonly type: 'number' | 'integer' } & Bounds)
  | { readonly type: 'boolean' | 'string' }
  | { readonly type: 'choice'; readonly choices: readonly (string | number)[] }
  /** A fixed number of parts, each with a name of its own: `beta1`, `beta2`. */
  | { readonly type: 'tuple'; readonly parts: Readonly<Record<string, Domain>> }
  | { readonly type: 'list'; readonly of: Domain }
  /** Functions, tensors and whatever else only a program can pass. */
  | { readonly type: 'other' };

/**
 * Returns the checked value, in the form that is kept.
 * @throws OptionError naming `where` and `name`, as those of lib/options.ts
 */
export type Check<T> = (where: string, name: string, value: unknown) => T;

/**
 * `required`: must be given. `optional`: may be left out, and then stays undefined. `defaulted`: may be left
 * out, and then is the default.
 */
export type Presence = 'required' | 'optional' | 'defaulted';

/** How a setting stands in files. */
export interface FileForm<G> {
  /**
   * What a file means that does not name the setting, such as one of a version that did not have it.
   * Default: the default.
   */
  readonly absent?: G;
  /**
   * Files leave the setting out where it has its default, so that versions without it can read
   * them. Default false.
   */
  readonly sparse?: boolean;
}

/** `T`: the type that is kept. `G`: the type that a caller gives. */
export interface Setting<T = unknown, G = T, P extends Presence = Presence> extends FileForm<G> {
  readonly doc: string;
  readonly domain: Domain;
  readonly presence: P;
  readonly default?: G;
  readonly check: Check<T>;
  // Methods, so that a Setting<number> is a Setting.
  toJson(value: T): Json;
  fromJson(json: Json): unknown;
}

/**
 * Makes settings of one kind: `nonNegative('Learning rate.')` must be given,
 * `nonNegative('...', { default: 0.1 })` and `nonNegative('...', { optional: true })` may be left out. `doc`
 * is a sentence or two; `Default 0.1.` is put behind it.
 */
export interface Kind<T, G = T> {
  (doc: string): Setting<T, G, 'required'>;
  (doc: string, options: { readonly default: G } & FileForm<G>): Setting<T, G, 'defaulted'>;
  (doc: string, options: { readonly optional: true } & FileForm<G>): Setting<T, G, 'optional'>;
}

export interface KindOptions<T> {
  readonly check: Check<T>;
  readonly domain: Domain;
  /** The value as files hold it. Default: as it is. */
  readonly toJson?: (value: T) => Json;
  /** The way back, to what `check` takes. Default: as it is. */
  readonly fromJson?: (json: Json) => unknown;
}

/**
 * A kind of setting, from the check of its values. `G` is what callers give, where the check turns that
 * into something else.
 */
export function kind<T, G = T>({ check, domain, toJson, fromJson }: KindOptions<T>): Kind<T, G> {
  const make = (
    doc: string,
    options: { readonly default?: G; readonly optional?: true } & FileForm<G> = {},
  ): Setting<T, G> => {
    const { optional, ...rest } = options;
    const given = rest.default !== undefined ? 'defaulted' : 'required';
    return {
      doc,
      domain,
      presence: optional ? 'optional' : given,
      ...rest,
      check,
      toJson: toJson ?? ((value) => value as Json),
      fromJson: fromJson ?? ((json) => json),
    };
  };
  return make as Kind<T, G>;
}
