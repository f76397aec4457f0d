/** Options of commands: declared as settings, read from their texts, with messages that name the option and show what came. */
import { Option } from 'commander';
import { READ_LIMITS, readLimits, type ReadLimits } from '../files/limits';
import { checkKeys, oneOf as checkOneOf, positive } from '../options';
import { bool, kind, nonEmptyString, oneOf, positiveInteger, type Domain, type Setting } from '../settings';
import { PRECISIONS } from '../tensor/dtype';

/** What the command line adds to a setting. */
export interface Spelling {
  /** What stands for the value in the help, `n` for `--epochs <n>`. */
  readonly take: string;
  /** What the help says of the default, where that is not one value. */
  readonly note?: string;
  /** Turns the text into what `check` takes. Default: by the domain. */
  readonly parse?: (flag: string, text: string) => unknown;
}

/** An option of a command: `--image-size` where it is declared as `imageSize`. One without a spelling is on or off and takes no value. */
export type Flag = Setting & Partial<Spelling>;
export type Flags = Readonly<Record<string, Flag>>;

/** `flag('n', positiveInteger('passes over the data', { default: 5 }))` is `--epochs <n>` where it is declared as `epochs`. */
export function flag<S extends Setting, More extends object>(
  take: string,
  setting: S,
  more?: More & Omit<Spelling, 'take'>,
): S & Spelling & More {
  return { ...setting, take, ...(more as More) };
}

/** `imageSize` as the command line spells it. */
export function spelled(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The option as commander takes it. */
export function optionOf(name: string, declared: Flag): Option {
  const long = spelled(name);
  const { take, doc, parse = parserOf(declared.domain) } = declared;
  if (take === undefined) return new Option(long, doc);
  const option = new Option(`${long} <${take}>`, helpOf(declared));
  option.argParser((text) => declared.check('option', long, parse(long, text)));
  return declared.presence === 'required' ? option.makeOptionMandatory() : option;
}

/** The line of documentation, the default, and what there is to choose from. */
function helpOf({ doc, domain, note, default: usual }: Flag): string {
  const choices = domain.type === 'choice' ? `: ${domain.choices.join(', ')}` : '';
  const standard = note ?? (typeof usual === 'string' || typeof usual === 'number' ? String(usual) : '');
  return `${doc}${standard && ` (default: ${standard})`}${choices}`;
}

function parserOf({ type }: Domain): (flag: string, text: string) => unknown {
  if (type === 'number' || type === 'integer') return (_, text) => parseNumber(text);
  return type === 'list' ? (_, text) => parseList(text) : (_, text) => text;
}

/** Decimal only: an empty text or `12abc` stays as it came, for the message. */
function parseNumber(text: string): number | string {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

/** `a,b,c`, none twice; `none` is the empty list. */
function parseList(text: string): string[] {
  return text === 'none' ? [] : [...new Set(text.split(',').map((part) => part.trim()))];
}

/**
 * A message of the library's with options as the command line spells them: `imageSize must be` is `--image-size must be`. Names of
 * one word are words of other messages as well: they are options where a message begins with them.
 */
export function spelledAsFlags(message: string, options: readonly Option[]): string {
  return options.reduce((text, option) => {
    const name = option.attributeName();
    if (option.long == null) return text;
    const place = /[A-Z]/.test(name) ? `(?<![\\w./\\\\-])${name}(?!\\w)` : `(?<=^[\\w.]+: )${name}(?= must )`;
    return text.replace(new RegExp(place, 'g'), option.long);
  }, message);
}

/** `--limits`, of commands that read files of data; `names` are those that the command can meet. */
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
  const doc = `how much a file may hold, as ${names[0]}=N,...: ${names.join(', ')} (docs/files.md says what they are)`;
  // Absent in runs of versions that had none.
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

/** Of commands that run a network. */
export const PRECISION = flag(
  'name',
  // Absent in runs of versions that knew fp32 only.
  oneOf(PRECISIONS)(
    'how activations are stored and multiplied; bf16 pays where doctor names a bf16 path that is not emulated',
    { default: 'fp32', absent: 'fp32' },
  ),
);

/** Of every command that computes. */
export const THREADS = flag('n', positiveInteger('threads', { optional: true }), {
  note: 'what the machine grants',
});

/** Of commands that use a trained model. */
export const MODEL_FILE = flag('file', nonEmptyString('model.safetensors as tenon train wrote it'));

/** Of every command; the session looks for it. */
export const JSON_LINES = bool('print one JSON object a line', { default: false });
