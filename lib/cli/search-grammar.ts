/**
 * `--search` as text: `lr=log(1e-4,1)`, `batchSize=32|64|128`,
 * `optimizer=sgd(momentum=uniform(0,0.99))|adam`.
 */
import {
  parseCall,
  SpellingError,
  splitPieces,
  valueOf,
  type Piece,
  type SpelledCall,
} from '../augment/spelling';
import { OptionError } from '../errors';
import { clip, show } from '../options';
import type { Value } from '../tune/space/dimension';
import {
  choice,
  conditional,
  integer,
  logUniform,
  uniform,
  type Parameter,
  type Space,
} from '../tune/space/parameters';
import { readText, spelled } from './flags';
import { settingNamed } from './trial-settings';

const EXPECTED = 'a range as in log(1e-4,1), or values as in 32|64';

/** Ranges by name. `whole`: the setting takes whole numbers. */
const RANGES: Readonly<
  Record<string, (whole: boolean, low: number, high: number, options: object) => Parameter>
> = {
  uniform: (whole, low, high, options) => (whole ? integer : uniform)(low, high, options),
  log: (whole, low, high, options) =>
    whole ? integer(low, high, { log: true, ...options }) : withoutOptions(logUniform(low, high), options),
  integer: (_, low, high, options) => integer(low, high, options),
};

function withoutOptions(parameter: Parameter, options: object): Parameter {
  const [name] = Object.keys(options);
  if (name === undefined) return parameter;
  throw new OptionError(`a logarithmic range takes no ${clip(name)}`);
}

/** The name of a setting, and what is searched of it. @throws OptionError with the place in the text */
export function parseSearch(flag: string, text: string): readonly [name: string, entry: Space[string]] {
  const [, lead = '', name, rest = ''] = /^(\s*([\w-]+)\s*=)(.*)$/s.exec(text) ?? [];
  if (name === undefined)
    throw new OptionError(`${flag} must be NAME=WHAT as in lr=log(1e-4,1), got ${show(text)}`);
  const key = keyOf(name);
  return [key, new Reader(flag, text).entry(key, trimmed({ text: rest, at: lead.length }))];
}

/** `batch-size` is batchSize. */
function keyOf(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function trimmed({ text, at }: Piece): Piece {
  return { text: text.trim(), at: at + text.length - text.trimStart().length };
}

class Reader {
  constructor(
    private readonly where: string,
    private readonly whole: string,
  ) {}

  /** A range, several values, a conditional, or one value: a constant. */
  entry(name: string, piece: Piece): Space[string] {
    const parts = splitPieces(piece, '|');
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return this.one(name, only);
    return this.placed(piece, () => this.choices(name, parts));
  }

  private one(name: string, piece: Piece): Space[string] {
    const kind = /^([\w-]+)\s*\(/.exec(piece.text)?.[1] ?? '';
    if (Object.hasOwn(RANGES, kind)) return this.range(name, kind, piece);
    return this.hasBranches(name, [piece])
      ? this.placed(piece, () => this.choices(name, [piece]))
      : this.word(name, piece);
  }

  private range(name: string, kind: string, piece: Piece): Parameter {
    const { positional, named } = parseCall(this.where, piece, this.whole, EXPECTED);
    const ends = positional.map(({ text }) => valueOf(text));
    const [low, high] = ends;
    if (ends.length !== 2 || typeof low !== 'number' || typeof high !== 'number')
      throw this.fault(`${kind} takes the ends of the range as in ${kind}(1,10)`, piece);
    const options = Object.fromEntries([...named].map(([key, { text }]) => [key, valueOf(text)]));
    const whole = settingNamed(name)?.domain.type === 'integer';
    return this.placed(piece, () => RANGES[kind]!(whole, low, high, options));
  }

  private choices(name: string, parts: readonly Piece[]): Parameter {
    if (!this.hasBranches(name, parts)) return choice(parts.map((part) => this.word(name, part)));
    return conditional(
      Object.fromEntries(
        parts.map((part) => {
          const call = parseCall(this.where, part, this.whole, EXPECTED);
          return [call.name, this.branch(call, part)];
        }),
      ),
    );
  }

  private branch({ positional, named }: SpelledCall, piece: Piece): Space {
    if (positional.length > 0)
      throw this.fault('a choice takes settings by name, as in sgd(momentum=0.9|0.99)', piece);
    return Object.fromEntries(
      [...named].map(([name, inner]) => [keyOf(name), this.entry(keyOf(name), inner)]),
    );
  }

  /** Where a setting takes one of some names, parentheses hold what belongs to that choice alone. */
  private hasBranches(name: string, parts: readonly Piece[]): boolean {
    return settingNamed(name)?.domain.type === 'choice' && parts.some(({ text }) => text.includes('('));
  }

  /** A number where the setting takes it as one, else the text. */
  private word(name: string, piece: Piece): Value {
    const setting = settingNamed(name);
    if (setting === undefined || (piece.text === 'none' && setting.default === null)) return piece.text;
    return this.placed(piece, () => {
      const value = readText(this.where, spelled(name), setting, piece.text);
      return typeof value === 'number' ? value : piece.text;
    });
  }

  private placed<T>(piece: Piece, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof OptionError) || error instanceof SpellingError) throw error;
      // What the check said of the value, without where that came from.
      throw this.fault(error.message.replace(`${this.where}: `, ''), piece);
    }
  }

  private fault(said: string, { at }: Piece): SpellingError {
    return new SpellingError(this.where, said, { at, whole: this.whole });
  }
}
