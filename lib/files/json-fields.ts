/**
 * Reads entries of a JSON file that may hold anything. Every function checks the entry, and throws a
 * FormatError that names it.
 */
import { FormatError } from '../errors';
import { clip } from '../options';

export type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The entries of an object called `name`. */
export function fieldsOf(file: string, name: string, value: unknown): Fields {
  if (!isFields(value)) throw new FormatError(`${clip(file)}: ${name} is missing`);
  return value;
}

export function textIn(file: string, fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== 'string') throw new FormatError(`${clip(file)}: ${key} is not a text`);
  return value;
}

export function textsIn(file: string, fields: Fields, key: string): readonly string[] {
  const value = fields[key];
  if (!Array.isArray(value) || !value.every((entry): entry is string => typeof entry === 'string'))
    throw new FormatError(`${clip(file)}: ${key} is not a list of texts`);
  return value;
}

export function numberIn(file: string, fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== 'number') throw new FormatError(`${clip(file)}: ${key} is not a number`);
  return value;
}

/** A whole number of at least 0. */
export function countIn(file: string, fields: Fields, key: string): number {
  const value = numberIn(file, fields, key);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new FormatError(`${clip(file)}: ${key} is ${value}, not a count`);
  return value;
}
