/**
 * Augmentations as text: `flip`, `cutout(8)`, `rotate(15, fill=128)`, `randomResizedCrop(32, scale=0.5:1)`.
 */
import { OptionError } from '../errors';
import { clip, nearest, show } from '../options';
import type { Augmentation } from './augmentation';
import { augmentations, type AnyMaker } from './registry';

/** A name with its arguments. */
export interface SpelledCall {
  readonly name: string;
  readonly positional: readonly unknown[];
  readonly named: Readonly<Record<string, unknown>>;
}

/** Cuts a list at its commas, but for those in parentheses: `crop,cutout(8,2)`. */
export function splitCalls(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let begin = 0;
  for (let i = 0; i <= text.length; i++) {
    const at = text[i];
    if (at === '(') depth++;
    else if (at === ')') depth--;
    else if (at === undefined || (at === ',' && depth === 0)) {
      parts.push(text.slice(begin, i).trim());
      begin = i + 1;
    }
  }
  return parts;
}

/** @throws OptionError for text in another form */
export function parseCall(where: string, text: string): SpelledCall {
  const [, name, list] = /^(\w+)\s*(?:\(([^()]*)\))?$/.exec(text) ?? [];
  if (name === undefined)
    throw new OptionError(`${where}: expected augmentations such as cutout(8), got ${show(text)}`);
  const positional: unknown[] = [];
  const named: Record<string, unknown> = {};
  for (const part of list === undefined || list.trim() === '' ? [] : list.split(',')) {
    const [, key, value = ''] = /^(?:\s*(\w+)\s*=)?(.*)$/s.exec(part)!;
    if (key !== undefined) named[key] = valueOf(value);
    else if (Object.keys(named).length === 0) positional.push(valueOf(value));
    else
      throw new OptionError(`${where}: ${show(text)} has an argument without a name behind one with a name`);
  }
  return { name, positional, named };
}

/** `8`, `true`, `nearest`, or `0.5:1` for a list. */
function valueOf(text: string): unknown {
  const word = text.trim();
  if (word.includes(':')) return word.split(':').map(valueOf);
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) return Number(word);
  return word === 'true' ? true : word === 'false' ? false : word;
}

/**
 * The augmentation of a name, in any case: `randomcrop` is randomCrop.
 * @throws OptionError with the nearest
 */
export function makerOf(where: string, name: string, others: readonly string[] = []): AnyMaker {
  const known = Object.keys(augmentations);
  const found = known.find((kind) => kind.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return augmentations[found]!;
  const all = [...others, ...known];
  const near = nearest(name, all);
  const meant = near === undefined ? '' : ` (did you mean ${show(near)}?)`;
  throw new OptionError(
    `${where}: there is no augmentation ${show(name)}${meant}; known: ${clip(all.join(', '))}`,
  );
}

/** Makes what a call says: arguments without a name are the argument and the settings in their order. */
export function makeCalled(where: string, maker: AnyMaker, call: SpelledCall): Augmentation {
  const before = maker.args.keys;
  const keys = [...before, ...maker.settings.keys];
  if (call.positional.length > keys.length)
    throw new OptionError(
      `${where}: ${maker.kind} takes at most ${keys.length} arguments (${keys.join(', ')}), got ${call.positional.length}`,
    );
  const options: Record<string, unknown> = { ...call.named };
  call.positional.forEach((value, i) => {
    const key = keys[i]!;
    if (Object.hasOwn(options, key)) throw new OptionError(`${where}: ${maker.kind} has ${key} twice`);
    options[key] = value;
  });
  const given = before.map((key) => options[key]);
  for (const key of before) delete options[key];
  return maker(...given, options);
}
