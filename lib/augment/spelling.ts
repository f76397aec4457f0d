/**
 * Calls as text, with the place of each part: `cutout(8)`, `rotate(15, fill=128)`, `oneOf(flip, rotate(15))`.
 */
import { OptionError } from '../errors';
import { clip, show } from '../options';

/** A part of a text, and where it begins, from 0. */
export interface Piece {
  readonly text: string;
  readonly at: number;
}

/** A name with its arguments. */
export interface SpelledCall {
  readonly name: string;
  /** Where the name begins. */
  readonly at: number;
  readonly positional: readonly Piece[];
  readonly named: ReadonlyMap<string, Piece>;
}

/** An error that says where in the text it is. */
export class SpellingError extends OptionError {
  constructor(where: string, fault: string, { at, whole }: { readonly at: number; readonly whole: string }) {
    super(`${where}: ${fault}, at character ${at + 1} of ${show(whole)}`);
  }
}

/** The end of the string that begins with the quotation mark at `at`; the text's end where it is open. */
function endOfString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
  }
  return text.length;
}

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']' };

/**
 * Where the commas of a text are, or other separators, but for those in parentheses, brackets and strings; or
 * what is unbalanced.
 */
function commasOf(text: string, separator = ','): { commas: number[]; fault?: { said: string; at: number } } {
  const commas: number[] = [];
  const open: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]!;
    if (letter === '"') {
      const end = endOfString(text, i);
      if (end === text.length) return { commas, fault: { said: 'a string is not closed', at: i } };
      i = end;
    } else if (letter in CLOSING) {
      open.push(i);
    } else if (letter === ')' || letter === ']') {
      const begin = open.pop();
      if (begin === undefined || CLOSING[text[begin]!] !== letter)
        return { commas, fault: { said: `"${letter}" closes nothing`, at: i } };
    } else if (letter === separator && open.length === 0) {
      commas.push(i);
    }
  }
  const left = open.pop();
  if (left === undefined) return { commas };
  return { commas, fault: { said: `"${text[left]}" is not closed`, at: left } };
}

/** A piece without the blanks around it. */
function trimmed({ text, at }: Piece): Piece {
  return { text: text.trim(), at: at + text.length - text.trimStart().length };
}

function piecesOf({ text, at }: Piece, commas: readonly number[]): Piece[] {
  return [-1, ...commas].map((comma, i) =>
    trimmed({ text: text.slice(comma + 1, commas[i]), at: at + comma + 1 }),
  );
}

/** Cuts a list at its commas, but for those in parentheses, brackets and strings: `crop,cutout(8,2)`. */
export function splitCalls(text: string): string[] {
  return splitPieces({ text, at: 0 }, ',').map((piece) => piece.text);
}

/** The same with the place of each part, at another separator. */
export function splitPieces(piece: Piece, separator: string): Piece[] {
  return piecesOf(piece, commasOf(piece.text, separator).commas);
}

/**
 * A call: a name, and arguments in parentheses, those without a name first.
 * @param expected what messages say that it should be
 * @throws OptionError with the place in `whole`
 */
export function parseCall(
  where: string,
  { text, at }: Piece,
  whole: string,
  expected = 'augmentations such as cutout(8)',
): SpelledCall {
  const { fault } = commasOf(text);
  if (fault !== undefined) throw new SpellingError(where, fault.said, { at: at + fault.at, whole });
  const [, name, list] = /^([\w-]+)\s*(?:\((.*)\))?$/s.exec(text) ?? [];
  if (name === undefined)
    throw new SpellingError(where, `expected ${expected}, got ${show(text)}`, { at, whole });
  const positional: Piece[] = [];
  const named = new Map<string, Piece>();
  const inner = { text: list ?? '', at: at + text.indexOf('(') + 1 };
  if (inner.text.trim() === '') return { name, at, positional, named };
  for (const piece of piecesOf(inner, commasOf(inner.text).commas)) {
    const [, lead = '', key, value = ''] = /^(([\w-]+)\s*=)?(.*)$/s.exec(piece.text)!;
    const rest = trimmed({ text: value, at: piece.at + lead.length });
    if (key !== undefined && named.has(key))
      throw new SpellingError(where, `${clip(name)} has ${clip(key)} twice`, { at: piece.at, whole });
    if (key !== undefined) named.set(key, rest);
    else if (named.size === 0) positional.push(rest);
    else
      throw new SpellingError(where, `${clip(name)} has an argument without a name behind one with a name`, {
        at: piece.at,
        whole,
      });
  }
  return { name, at, positional, named };
}

/** `8`, `true`, `nearest`, `"a text"`, or `0.5:1` for a list. */
export function valueOf(text: string): unknown {
  const word = text.trim();
  if (word.startsWith('"')) return wordIn(word);
  if (word.includes(':')) return word.split(':').map(valueOf);
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) return Number(word);
  return word === 'true' ? true : word === 'false' ? false : word;
}

/** A word, or what stands between quotation marks. */
export function wordIn(text: string): string {
  if (!/^".*"$/s.test(text)) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}
