/**
 * The settings of something, each declared once. From the declaration come the type of the options, the check
 * of their names and values, the defaults, and the form in files.
 */
import { checkKeys } from '../options';
import type { Json, Presence, Setting } from './setting';

/** Settings by name. Plain objects, so that families share some: `{ lr, ...momentumSettings }`. */
export type Declared = Readonly<Record<string, Setting>>;

type DeclaredOf<S> = S extends Settings<infer D> ? D : S;

type KeysWith<D, P extends Presence> = {
  [K in keyof D]: D[K] extends Setting<unknown, unknown, P> ? K : never;
}[keyof D];

type GivenTo<X> = X extends Setting<infer _T, infer G> ? G : never;
/** The type that a setting is kept in. */
export type KeptOf<X> = X extends Setting<infer T, infer _G> ? T : never;

type Sure = 'required' | 'defaulted';
type Free = 'optional' | 'defaulted';

// Mapped over Pick, not with `as`: that keeps the declarations, and with them what an editor shows.
type Options<D> = {
  readonly [K in keyof Pick<D, KeysWith<D, 'required'>>]: GivenTo<D[K]>;
} & {
  readonly [K in keyof Pick<D, KeysWith<D, Free>>]?: GivenTo<D[K]> | undefined;
};

type Values<D> = {
  readonly [K in keyof Pick<D, KeysWith<D, Sure>>]: KeptOf<D[K]>;
} & {
  readonly [K in keyof Pick<D, KeysWith<D, 'optional'>>]?: KeptOf<D[K]> | undefined;
};

/**
 * What a caller gives: `{ readonly lr?: number; ... }`, for `declareSettings(...)` or for settings by name.
 */
export type OptionsOf<S> = Options<DeclaredOf<S>>;

/** What is kept: checked, with defaults. */
export type ValuesOf<S> = Values<DeclaredOf<S>>;

/** Made by {@link declareSettings}. */
export class Settings<D extends Declared> {
  /** Names of the settings, in the order they were declared in. */
  readonly keys: readonly string[];

  constructor(readonly declared: D) {
    this.keys = Object.keys(declared);
  }

  /**
   * Checks options that a caller gave, or that came from a file in that form, and fills in defaults.
   * @param where who is asking, for messages: `optim.adam`
   * @throws OptionError for unknown keys, with the nearest known one, and whatever the checks throw
   */
  read(where: string, options: unknown): ValuesOf<D> {
    checkKeys(where, options, this.keys);
    const given = (options ?? {}) as Readonly<Record<string, unknown>>;
    return this.collect(where, (name) => given[name]);
  }

  /**
   * The form in files. An optional setting without a value is null, one that is `sparse` is left out where
   * it says nothing.
   */
  toJson(values: ValuesOf<D>): Record<string, Json> {
    const json: Record<string, Json> = {};
    for (const [name, setting] of Object.entries(this.declared)) {
      const value = (values as Readonly<Record<string, unknown>>)[name];
      const encoded = value === undefined ? null : setting.toJson(value);
      if (setting.sparse && JSON.stringify(encoded) === JSON.stringify(usual(name, setting))) continue;
      json[name] = encoded;
    }
    return json;
  }

  /**
   * The way back. Null and what is missing mean what `absent` says, or the default; keys of other names
   * are passed over.
   * @param where the file, for messages
   * @throws OptionError
   */
  fromJson(where: string, json: { readonly [key: string]: Json }): ValuesOf<D> {
    return this.collect(where, (name, setting) => {
      const value = Object.hasOwn(json, name) ? json[name] : null;
      return value == null ? setting.absent : setting.fromJson(value);
    });
  }

  private collect(where: string, valueOf: (name: string, setting: Setting) => unknown): ValuesOf<D> {
    const values: Record<string, unknown> = {};
    for (const [name, setting] of Object.entries(this.declared)) {
      const value = valueOf(name, setting) ?? setting.default;
      if (value === undefined && setting.presence === 'optional') continue;
      values[name] = setting.check(where, name, value);
    }
    return values as ValuesOf<D>;
  }
}

/** The default as files hold it. */
function usual(name: string, setting: Setting): Json {
  if (setting.default === undefined) return null;
  return setting.toJson(setting.check('default', name, setting.default));
}

/**
 * Declares the settings of something, such as `const settings = declareSettings({ lr: ... })`, where
 * `nonNegative('Learning rate.', { default: 1e-3 })` stands for the dots. `OptionsOf<typeof settings>` is
 * the type of the options, and `settings.read('optim.adam', options)` checks them. The sentence of each
 * setting, and its default, are what an editor shows at a caller's option: scripts/build-ts.js writes them
 * into the declarations.
 */
export function declareSettings<D extends Declared>(declared: D): Settings<D> {
  return new Settings(declared);
}
