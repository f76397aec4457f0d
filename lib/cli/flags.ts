/** Turning option texts into checked values, with messages that name the option and show what came. */
import { Option } from 'commander';
import { ON_ERROR } from '../data/folder';
import { READ_LIMITS, readLimits, type ReadLimits } from '../files/limits';
import { nonEmptyString, oneOf, positive, positiveInteger } from '../options';
import { PRECISIONS } from '../tensor/dtype';
import { DATASETS } from './datasets';
import { namesOf, orList } from './names';

type Check = (where: string, name: string, value: unknown) => number;

/** A commander parser: text to a number that `check` accepts. Decimal only: an empty text or `12abc` is refused as it came. */
export function numberFlag(flag: string, check: Check): (text: string) => number {
  return (text) => {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
    return check('option', flag, value);
  };
}

/** A commander parser: one of `choices`, with the nearest one suggested where it is not. */
export function choiceFlag<const T extends string>(flag: string, choices: readonly T[]): (text: string) => T {
  return (text) => oneOf('option', flag, text, choices);
}

/** A commander parser: `a,b,c`, each of `choices`, none twice; `none` is the empty list. */
export function listFlag<const T extends string>(flag: string, choices: readonly T[]): (text: string) => T[] {
  return (text) => {
    if (text === 'none') return [];
    const parts = text.split(',').map((part) => oneOf('option', flag, part.trim(), choices));
    return [...new Set(parts)];
  };
}

/** A commander parser: a path or another text that may not be empty. */
export function textFlag(flag: string): (text: string) => string {
  return (text) => nonEmptyString('option', flag, text);
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

/** `--threads N`, which every command that computes has. */
export function threadsOption(): Option {
  return new Option('--threads <n>', 'threads (default: what the machine grants)').argParser(
    numberFlag('--threads', positiveInteger),
  );
}

/** `--data`, of commands that open data sets. */
export function dataOption(): Option {
  const inFiles = namesOf(DATASETS).filter((name) => DATASETS[name].from !== 'nothing');
  return new Option('--data <dir>', `where ${orList(inFiles)} is`).argParser(textFlag('--data'));
}

/** `--limits`, of commands that read files of data; `names` are those that the command can meet. */
export function limitsOption(names: readonly (keyof ReadLimits)[] = READ_LIMITS): Option {
  const example = `${names[0]}=N,...`;
  return new Option(
    '--limits <list>',
    `how much a file may hold, as ${example}: ${names.join(', ')} (docs/files.md says what they are)`,
  ).argParser((text) => parseLimits(text, names));
}

function parseLimits(text: string, names: readonly (keyof ReadLimits)[]): ReadLimits {
  const given: { -readonly [K in keyof ReadLimits]: ReadLimits[K] } = {};
  for (const part of text.split(',')) {
    const [name = '', value = ''] = part.split('=', 2);
    const limit = oneOf('option', '--limits', name.trim(), names);
    given[limit] = numberFlag(`--limits ${limit}`, positive)(value.trim());
  }
  readLimits('option --limits', given);
  return given;
}

/** `--on-error`, of commands that read image folders. */
export function onErrorOption(): Option {
  return new Option(
    '--on-error <what>',
    'folder: a damaged image ends the run (throw, the default), or is left out (skip; all are decoded at the start)',
  ).argParser(choiceFlag('--on-error', ON_ERROR));
}

/** `--precision`, of commands that run a network. */
export function precisionOption(): Option {
  return new Option(
    '--precision <name>',
    `${PRECISIONS.join(' or ')}: how activations are stored and multiplied (default: fp32); bf16 pays where doctor names a bf16 path that is not emulated`,
  ).argParser(choiceFlag('--precision', PRECISIONS));
}

/** `--json`, which every command has. */
export function jsonOption(): Option {
  return new Option('--json', 'print one JSON object a line');
}
