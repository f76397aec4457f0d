/** Values that go into a log as JSON. */
import { OptionError } from '../../errors';
import { messageOf, show } from '../../options';
import type { Json } from '../../settings';
import { toPythonJson } from './python-json';

/** Characters of a value: readers of a journal take a line as a whole. */
const LONGEST = 2 ** 20;

/** @throws OptionError for what JSON, with NaN and infinities, cannot hold, or what is longer than 1 MiB */
export function checkJson(where: string, name: string, value: unknown): asserts value is Json {
  checkPlain(where, name, value, new Set());
  let text: string;
  try {
    text = toPythonJson(value as Json, 2);
  } catch (error) {
    throw new OptionError(`${where}: ${name} has ${messageOf(error)}`, { cause: error });
  }
  if (text.length > LONGEST)
    throw new OptionError(`${where}: ${name} is ${text.length} characters of JSON, more than ${LONGEST}`);
}

function checkPlain(where: string, name: string, value: unknown, within: Set<object>): void {
  if (value === null || ['number', 'string', 'boolean'].includes(typeof value)) return;
  if (typeof value !== 'object') throw new OptionError(`${where}: ${name} must be JSON, got ${show(value)}`);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null)
    throw new OptionError(`${where}: ${name} must be JSON, got ${show(value)}`);
  if (within.has(value)) throw new OptionError(`${where}: ${name} holds itself`);
  if (within.size >= 90) throw new OptionError(`${where}: ${name} has more than 90 lists within each other`);
  within.add(value);
  for (const entry of Object.values(value) as unknown[]) checkPlain(where, name, entry, within);
  within.delete(value);
}
