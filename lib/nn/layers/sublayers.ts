/** What layers that hold a list of others share: its check, and names by place. */
import { FormatError, OptionError } from '../../errors';
import { checkList, showMade } from '../../options';
import type { Json } from '../../settings';
import type { Config } from '../layer';
import { Module } from '../module';

/** By place, as in PyTorch: '0.weight'. */
export function byPlace(layers: readonly Module[]): [string, unknown][] {
  return layers.map((layer, i) => [String(i), layer]);
}

export function checkedLayers(where: string, layers: readonly Module[]): readonly Module[] {
  checkList(where, 'layers', layers);
  // A copy without holes.
  const list = [...layers];
  list.forEach((layer: unknown, i) => checkModule(where, `layer ${i}`, layer));
  return list;
}

/** A list in the settings of a file. @throws FormatError */
export function listIn(config: Config, key: string): readonly Json[] {
  const value = config[key];
  if (isList(value)) return value;
  throw new FormatError(`it has no list of ${key}`);
}

// Array.isArray does not tell a readonly list from an object.
function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function checkModule(where: string, what: string, value: unknown): void {
  if (!(value instanceof Module))
    throw new OptionError(`${where}: ${what} must be a module, got ${showMade(value)}`);
}
