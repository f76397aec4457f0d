/** What is divided when a data set is: samples, or groups of samples that stay together. */
import { DataError, OptionError } from '../errors';
import { bool, checkKeys, nonNegativeInteger, show } from '../options';
import { shuffledSync } from './order';

/** Options of `Dataset.folds` and `Dataset.holdOut`. */
export interface FoldsOptions {
  /** Decides which samples go where. Default 0. */
  readonly seed?: number;
  /**
   * Whether each class keeps its share of the samples in every part: to within one of them, or as nearly
   * as whole `groups` allow. Default false.
   */
  readonly stratified?: boolean;
  /**
   * For each sample the group that it is of, a number or a string. The samples of a group stay together:
   * those of a patient or a day, or the near duplicates that `data.nearDuplicates` finds (`groupOf`).
   * Default: each sample is by itself.
   */
  readonly groups?: ArrayLike<number | string>;
}

/** The keys of {@link FoldsOptions}. */
export const FOLDS_OPTIONS = ['seed', 'stratified', 'groups'] as const;

/** The set that is divided: a row of the samples below for each position, and its class where it has one. */
export interface Divided {
  readonly part: { readonly rows: Int32Array };
  readonly labels: Int32Array | undefined;
  readonly classNames: readonly string[];
}

/**
 * Samples that stay together: rows without repetition, and the class of each, or -1 where classes
 * do not matter.
 */
export interface Unit {
  readonly rows: number[];
  readonly labels: number[];
}

export interface Units {
  /** In random order; where stratified, by the class of their first sample. */
  readonly units: readonly Unit[];
  /** Samples of each class, in the order of their numbers. */
  readonly sizes: ReadonlyMap<number, number>;
  /** All samples. */
  readonly samples: number;
  /** What to call units in messages. */
  readonly called: 'samples' | 'groups';
}

/**
 * The units of a set, of each class `least` at least where stratified. @throws OptionError, DataError
 */
export function unitsOf(where: string, divided: Divided, options: FoldsOptions, least: number): Units {
  checkKeys(where, options, FOLDS_OPTIONS);
  const seed = nonNegativeInteger(where, 'seed', options.seed ?? 0);
  const labels = labelsOf(where, divided, options);
  const units = [...unitsByGroup(where, divided, options.groups, labels).values()];
  const called = options.groups === undefined ? 'samples' : 'groups';
  const byClass = new Map<number, Unit[]>();
  const sizes = new Map<number, number>();
  for (const unit of units) {
    for (const label of new Set(unit.labels)) append(byClass, label, unit);
    for (const label of unit.labels) sizes.set(label, (sizes.get(label) ?? 0) + 1);
  }
  for (const [label, { length }] of byClass)
    if (label >= 0 && length < least)
      throw new DataError(
        `${where}: class ${show(divided.classNames[label] ?? label)} has ${length} of the at least ${least} ${called} that stratified needs`,
      );
  const ascending = [...sizes].sort(([a], [b]) => a - b);
  const order = ascending.flatMap(([label]) => {
    const own = byClass.get(label)!.filter((unit) => unit.labels[0] === label);
    return Array.from(shuffledSync(own.length, seed, streamOf(where, label)), (at) => own[at]!);
  });
  const samples = ascending.reduce((sum, [, size]) => sum + size, 0);
  return { units: order, sizes: new Map(ascending), samples, called };
}

function streamOf(where: string, label: number): string {
  return label < 0 ? where : `${where} ${label}`;
}

/** Classes by position; undefined where they do not matter. */
function labelsOf(where: string, { labels }: Divided, { stratified }: FoldsOptions): Int32Array | undefined {
  if (!bool(where, 'stratified', stratified ?? false)) return undefined;
  if (labels !== undefined) return labels;
  throw new OptionError(`${where}: stratified is for sets with classes; the targets of this one are numbers`);
}

function unitsByGroup(
  where: string,
  { part: { rows } }: Divided,
  groups: unknown,
  labels: Int32Array | undefined,
): Map<number | string, Unit> {
  const keys = groups === undefined ? rows : checkGroups(where, groups, rows.length);
  const units = new Map<number | string, Unit>();
  const known = new Map<number, number | string>();
  rows.forEach((row, position) => {
    const key = keys[position]!;
    const before = known.get(row);
    if (before === key) return;
    if (before !== undefined)
      throw new OptionError(
        `${where}: the sample at position ${position} comes more than once in the set, in groups ${show(before)} and ${show(key)}`,
      );
    known.set(row, key);
    const unit = units.get(key) ?? { rows: [], labels: [] };
    units.set(key, unit);
    unit.rows.push(row);
    unit.labels.push(labels?.[position] ?? -1);
  });
  return units;
}

/** @throws OptionError for what is not a whole number or a string for each sample */
function checkGroups(where: string, groups: unknown, length: number): ArrayLike<number | string> {
  const listed = Array.isArray(groups) || (ArrayBuffer.isView(groups) && 'length' in groups);
  if (!listed)
    throw new OptionError(`${where}: groups must be a list of numbers or strings, got ${show(groups)}`);
  const list = groups as ArrayLike<unknown>;
  if (list.length !== length) throw new OptionError(`${where}: ${list.length} groups for ${length} samples`);
  for (let i = 0; i < length; i++)
    if (typeof list[i] !== 'string' && !Number.isSafeInteger(list[i]))
      throw new OptionError(
        `${where}: groups[${i}] must be a whole number or a string, got ${show(list[i])}`,
      );
  return list as ArrayLike<number | string>;
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
