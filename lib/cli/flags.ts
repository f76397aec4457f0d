/**
 * Options of commands: declared as settings and read from text. Messages name the option and show
 * what was given.
 */
import { Option } from 'commander';
import type { Keep } from '../data/decode';
import { CROPS, scalesKind, type ViewOptions } from '../data/views';
import { READ_LIMITS, readLimits, type ReadLimits } from '../files/limits';
import { checkKeys, oneOf as checkOneOf, positive } from '../options';
import {
  bool,
  kind,
  listOf,
  nonEmptyString,
  nonNegativeInteger,
  oneOf,
  positiveInteger,
  type ValuesOf,
} from '../settings';
import type { Domain, Kind, Setting } from '../settings';
import { PRECISIONS } from '../tensor/dtype';

/** What the command line adds to a setting. */
export interface Spelling {
  /** The placeholder of the value in the help: `n` for `--epochs <n>`. */
  readonly take: string;
  /** What the help says about the default, if it is not a fixed value. */
  readonly note?: string;
  /** What the option means without a value. Default: it needs one. */
  readonly alone?: string;
  /** Turns the text into a value for `check`. Default: chosen by the domain. */
  readonly parse?: (flag: string, text: string) => unknown;
  /** May be given several times: the lists that the texts stand for are joined. */
  readonly many?: true;
}

/**
 * An option of a command; `imageSize` becomes `--image-size`. An option without a placeholder is on or off.
 */
export type Flag = Setting & Partial<Spelling>;
export type Flags = Readonly<Record<string, Flag>>;

/** `epochs: flag('n', positiveInteger('passes over the data', { default: 5 }))` declares `--epochs <n>`. */
export function flag<S extends Setting, More extends object>(
  take: string,
  setting: S,
  more?: More & Omit<Spelling, 'take'>,
): S & Spelling & More {
  return { ...setting, take, ...(more as More) };
}

/** What `item` is, or null. */
export function orNull<T>(item: Kind<T>): Kind<T | null> {
  const { check, domain } = item('');
  return kind<T | null>({
    check: (where, name, value) => (value === null ? null : check(where, name, value)),
    domain,
  });
}

/** The name as the command line spells it: `--image-size` for `imageSize`. */
export function spelled(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The option in commander's form. */
export function optionOf(name: string, declared: Flag): Option {
  const long = spelled(name);
  const { take, doc, alone, many = false } = declared;
  if (take === undefined) return new Option(long, doc);
  const value = alone === undefined ? `<${take}>` : `[${take}]`;
  const option = new Option(`${long} ${value}`, helpOf(declared));
  if (alone !== undefined) option.preset(alone);
  option.argParser<unknown>((text, before) => {
    const value = readText('option', long, declared, text);
    return many && Array.isArray(before) ? [...(before as unknown[]), ...(value as unknown[])] : value;
  });
  return declared.presence === 'required' ? option.makeOptionMandatory() : option;
}

/** The value that a text stands for. @throws OptionError */
export function readText(where: string, name: string, { domain, parse, check }: Flag, text: string): unknown {
  return check(where, name, (parse ?? parserOf(domain))(name, text));
}

/** The line of documentation, the default, and the choices. */
function helpOf({ doc, domain, note, default: usual }: Flag): string {
  const standard = note ?? (typeof usual === 'string' || typeof usual === 'number' ? String(usual) : '');
  const choices = choicesOf(domain).join(', ');
  return `${doc}${standard && ` (default: ${standard})`}${choices && `: ${choices}`}`;
}

function choicesOf(domain: Domain): readonly (string | number)[] {
  if (domain.type === 'list') return choicesOf(domain.of);
  return domain.type === 'choice' ? domain.choices : [];
}

function parserOf({ type }: Domain): (flag: string, text: string) => unknown {
  if (type === 'number' || type === 'integer') return (_, text) => parseNumber(text);
  return type === 'list' ? (_, text) => parseList(text) : (_, text) => text;
}

/** Reads decimal numbers only. Other text, such as `12abc`, is returned as it is, for the message. */
export function parseNumber(text: string): number | string {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

/** Reads `a,b,c` without repetitions; `none` is the empty list. */
function parseList(text: string): string[] {
  return text === 'none' ? [] : [...new Set(text.split(',').map((part) => part.trim()))];
}

/**
 * A message of the library in which options are spelled as on the command line: `imageSize must be` becomes
 * `--image-size must be`. Names of one word also occur as ordinary words, so they are replaced only at the
 * beginning of a message.
 */
export function spelledAsFlags(message: string, options: readonly Option[]): string {
  return options.reduce((text, option) => {
    const name = option.attributeName();
    if (option.long == null) return text;
    const place = /[A-Z]/.test(name) ? `(?<![\\w./\\\\-])${name}(?!\\w)` : `(?<=^[\\w.]+: )${name}(?= must )`;
    return text.replace(new RegExp(place, 'g'), option.long);
  }, message);
}

/** `--limits`, for commands that read data files. `names` are the limits that can apply. */
export function limitsFlag(names: readonly (keyof ReadLimits)[]) {
  const limits = kind<ReadLimits>({
    check: (where, _, value) => {
      checkKeys(where, value, READ_LIMITS);
      const checked = value as ReadLimits;
      readLimits(where, checked);
      return checked;
    },
    domain: { type: 'other' },
  });
  const doc = `most that a file may hold, as ${names[0]}=N,...: ${names.join(', ')} (see docs/files.md)`;
  // Absent in runs of versions without limits.
  const setting = limits(doc, { default: {}, absent: {} });
  return flag('list', setting, { parse: (long, text) => parseLimits(long, text, names) });
}

function parseLimits(long: string, text: string, names: readonly (keyof ReadLimits)[]): ReadLimits {
  const given: { -readonly [K in keyof ReadLimits]: ReadLimits[K] } = {};
  for (const part of text.split(',')) {
    const [name = '', value = ''] = part.split('=', 2);
    const limit = checkOneOf('option', long, name.trim(), names);
    given[limit] = positive('option', `${long} ${limit}`, parseNumber(value.trim()));
  }
  readLimits(`option ${long}`, given);
  return given;
}

/** For commands that run a network. */
export const PRECISION = flag(
  'name',
  // Absent in runs of versions that had only fp32.
  oneOf(PRECISIONS)(
    'how activations are stored and multiplied; bf16 is faster if tenon doctor shows a path for it, and the same as fp32 elsewhere',
    { default: 'fp32', absent: 'fp32' },
  ),
);

/** For commands that may average over the noise of training. */
export const SAMPLING = {
  samples: flag(
    'k',
    positiveInteger('average over k passes with the noise of training, such as dropout', { optional: true }),
    { note: 'one pass without noise' },
  ),
  seed: flag('n', nonNegativeInteger('seed of that noise', { optional: true }), { note: '0' }),
};

/** For commands that run training steps. */
export const FREEZE = flag(
  'patterns',
  // Absent in runs of versions without it.
  listOf(nonEmptyString)('layers that are not trained, as in features.*,layer?', { default: [], absent: [] }),
  { note: 'none' },
);

/** For every command that computes. */
export const THREADS = flag('n', positiveInteger('number of threads', { optional: true }), {
  note: 'as many as the machine grants',
});

/** For commands that use a trained model. */
export const MODEL_FILE = flag('file', nonEmptyString('model.safetensors, written by tenon train'));

// Absent in runs of versions without views.
const seenOnce = { default: null, absent: null } as const;

/** For commands that average over views of each image. */
export const VIEWS = {
  testTimeAugment: flag(
    'crops',
    orNull(oneOf(CROPS))(
      'average over windows of each image: 1 the centre, 5 the corners and the centre, 10 those and their mirror images',
      seenOnce,
    ),
    { parse: (_, text) => parseNumber(text) },
  ),
  scales: flag(
    'list',
    orNull(scalesKind)(
      'lengths of the short side, in pixels, at which the windows are cut out, as 224,256,384',
      seenOnce,
    ),
    {
      note: 'images as they are',
      parse: (_, text) => text.split(',').map((part) => parseNumber(part.trim())),
    },
  ),
};

/** The views that `VIEWS` asks for; undefined where it asks for none. */
export function viewOptions({
  testTimeAugment: crops,
  scales,
}: ValuesOf<typeof VIEWS>): ViewOptions | undefined {
  if (crops === null && scales === null) return undefined;
  return { ...(crops !== null && { crops }), ...(scales !== null && { scales }) };
}

/**
 * How images are kept for views of them: no larger than the largest scale, so that large photographs do not
 * fill the memory.
 */
export function keptFor({ scales }: ViewOptions): Keep {
  return scales === undefined ? 'original' : { shortSide: Math.max(...scales) };
}

/** For every command. The session reads it. */
export const JSON_LINES = bool('print one JSON object per line', { default: false });
