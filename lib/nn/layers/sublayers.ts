/** What layers that hold a list of others share: its check, and names by place. */
import { OptionError } from '../../errors';
import { checkList, showMade } from '../../options';
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

export function checkModule(where: string, what: string, value: unknown): void {
  if (!(value instanceof Module))
    throw new OptionError(`${where}: ${what} must be a module, got ${showMade(value)}`);
}
