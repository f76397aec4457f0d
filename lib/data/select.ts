/** Selects the samples of a part of a data set: by position, at random, by class. */
import { DataError, OptionError } from '../errors';
import { bool, checkKeys, clipList, nearest, nonNegativeInteger, positiveInteger, show } from '../options';
import { drawn, shuffledSync } from './order';

/** Options of `Dataset.sample`. */
export interface SampleOptions {
  /** Decides which samples. Default 0. */
  readonly seed?: number;
  /** Whether a sample may come more than once, as in a bootstrap. Default false. */
  readonly replace?: boolean;
  /** Whether each class keeps its share of the samples, to within one of them. Default false. */
  readonly stratified?: boolean;
}

/** Whole numbers from 0 to below `length`, in the order they came. @throws OptionError, DataError */
export function checkPositions(where: string, positions: unknown, length: number): Int32Array {
  const list = typeof positions === 'object' && positions !== null ? (positions as ArrayLike<unknown>) : [];
  if (!Number.isSafeInteger(list.length) || list.length === 0)
    throw new OptionError(`${where}: expected positions such as [0, 5, 9], got ${show(positions)}`);
  const checked = new Int32Array(list.length);
  for (let i = 0; i < checked.length; i++) checked[i] = checkPosition(where, list[i], length);
  return checked;
}

/** @throws OptionError for what is not a whole number, DataError for a sample that does not exist */
export function checkPosition(where: string, position: unknown, length: number): number {
  const checked = nonNegativeInteger(where, 'position', position);
  if (checked >= length) throw new DataError(`${where}: there is no sample ${checked}, there are ${length}`);
  return checked;
}

/** Positions of `count` samples drawn at random, ascending. @throws OptionError, DataError */
export function drawPositions(
  length: number,
  labels: Int32Array | undefined,
  count: number,
  options: SampleOptions,
): Int32Array {
  checkKeys('sample', options, ['seed', 'replace', 'stratified']);
  positiveInteger('sample', 'count', count);
  const seed = nonNegativeInteger('sample', 'seed', options.seed ?? 0);
  const replace = bool('sample', 'replace', options.replace ?? false);
  const stratified = bool('sample', 'stratified', options.stratified ?? false);
  if (!replace && count > length)
    throw new DataError(`sample: ${count} samples of ${length}: only with replace: true`);
  if (stratified && labels === undefined)
    throw new OptionError('sample: stratified is for sets with classes; the targets of this one are numbers');
  const groups = stratified ? byLabel(labels!) : new Map([[-1, Array.from({ length }, (_, i) => i)]]);
  const counts = shares(
    [...groups.values()].map((group) => group.length / length),
    count,
  );
  const positions = [...groups].flatMap(([label, group], i) => {
    const stream = label < 0 ? 'sample' : `sample ${label}`;
    const from = replace
      ? drawn(counts[i]!, group.length, seed, stream)
      : shuffledSync(group.length, seed, stream).subarray(0, counts[i]);
    return Array.from(from, (at) => group[at]!);
  });
  return Int32Array.from(positions).sort();
}

/** Positions of the samples of each class, in the order in which classes first appear. */
export function byLabel(labels: Int32Array): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  labels.forEach((label, position) => {
    const group = groups.get(label);
    if (group === undefined) groups.set(label, [position]);
    else group.push(position);
  });
  return groups;
}

/**
 * Whole numbers in these proportions that add up to `total`: the largest remainders are rounded
 * up (Hamilton's method).
 */
export function shares(proportions: readonly number[], total: number): number[] {
  const exact = proportions.map((proportion) => proportion * total);
  const counts = exact.map(Math.floor);
  const left = total - counts.reduce((sum, count) => sum + count, 0);
  const byRemainder = exact
    .map((_, i) => i)
    .sort((a, b) => exact[b]! - counts[b]! - (exact[a]! - counts[a]!) || a - b);
  for (const i of byRemainder.slice(0, left)) counts[i]!++;
  return counts;
}

/**
 * For each class of `known` its number among `wanted`, or -1.
 * @throws OptionError for a class that does not exist, or one given twice
 */
export function renumbering(known: readonly string[], wanted: unknown): Int32Array {
  if (!Array.isArray(wanted) || wanted.length === 0)
    throw new OptionError(
      `selectClasses: expected names of classes such as ["cat", "dog"], got ${show(wanted)}`,
    );
  const numbers = new Int32Array(known.length).fill(-1);
  for (const [i, name] of (wanted as unknown[]).entries()) {
    const at = known.findIndex((other) => other === name);
    const near = typeof name === 'string' ? nearest(name, known) : undefined;
    if (at < 0)
      throw new OptionError(
        `selectClasses: there is no class ${show(name)}${near === undefined ? '' : ` (did you mean ${show(near)}?)`}; known: ${clipList(known)}`,
      );
    if (numbers[at]! >= 0) throw new OptionError(`selectClasses: class ${show(name)} is given twice`);
    numbers[at] = i;
  }
  return numbers;
}
