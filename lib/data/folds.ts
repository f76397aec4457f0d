/**
 * Divides the samples of a set into those that train and those that validate: k folds, or a part held out.
 */
import { DataError, OptionError } from '../errors';
import { bool, checkKeys, nonNegativeInteger, positive, positiveInteger, show } from '../options';
import { shuffledSync } from './order';
import { byLabel, shares } from './select';

/** Options of `Dataset.folds` and `Dataset.holdOut`. */
export interface FoldsOptions {
  /** Decides which samples go where. Default 0. */
  readonly seed?: number;
  /**
   * Whether each class keeps its share of the samples in every part, to within one of them. Default false.
   */
  readonly stratified?: boolean;
}

/** The set that is divided: a row of the samples below for each position, and its class where it has one. */
export interface Divided {
  readonly part: { readonly rows: Int32Array };
  readonly labels: Int32Array | undefined;
  readonly classNames: readonly string[];
}

/** Positions, ascending. */
export interface DividedPositions {
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

/**
 * For each of `k` folds the positions that validate, and all others. Samples are shuffled and dealt out one
 * after the other, with `stratified` class by class, as by scikit-learn's `KFold` and `StratifiedKFold`. A
 * sample that the set has more than once is dealt with all its copies.
 * @throws OptionError, DataError
 */
export function foldPositions(divided: Divided, k: number, options: FoldsOptions): DividedPositions[] {
  const where = 'folds';
  if (positiveInteger(where, 'k', k) < 2) throw new OptionError(`${where}: k must be at least 2, got ${k}`);
  const { seed, groups, distinct } = grouped(where, divided, options, k);
  if (k > distinct) throw new DataError(`${where}: ${k} folds need as many samples, there are ${distinct}`);
  const foldOf = new Map<number, number>();
  let next = 0;
  for (const [label, rows] of groups)
    for (const at of shuffledSync(rows.length, seed, streamOf(where, label)))
      foldOf.set(rows[at]!, next++ % k);
  return Array.from({ length: k }, (_, fold) => divide(divided.part.rows, (row) => foldOf.get(row) === fold));
}

/**
 * The positions of a share of the samples, drawn at random, and all others.
 * @throws OptionError, DataError
 */
export function heldOutPositions(divided: Divided, share: number, options: FoldsOptions): DividedPositions {
  const where = 'holdOut';
  if (positive(where, 'share', share) >= 1)
    throw new OptionError(`${where}: share must be above 0 and below 1, got ${share}`);
  const { seed, groups, distinct } = grouped(where, divided, options, 2);
  const count = Math.round(share * distinct);
  if (count === 0 || count === distinct)
    throw new DataError(`${where}: a share of ${share} of ${distinct} samples leaves one part empty`);
  const counts = shares(
    [...groups.values()].map((rows) => rows.length / distinct),
    count,
  );
  const held = [...groups].flatMap(([label, rows], i) => {
    const order = shuffledSync(rows.length, seed, streamOf(where, label));
    return Array.from(order.subarray(0, counts[i]), (at) => rows[at]!);
  });
  const validates = new Set(held);
  return divide(divided.part.rows, (row) => validates.has(row));
}

function streamOf(where: string, label: number): string {
  return label < 0 ? where : `${where} ${label}`;
}

interface Groups {
  readonly seed: number;
  /** Rows without repetition, by class in the order of their numbers, or all of them as -1. */
  readonly groups: ReadonlyMap<number, readonly number[]>;
  readonly distinct: number;
}

function grouped(where: string, divided: Divided, options: FoldsOptions, least: number): Groups {
  checkKeys(where, options, ['seed', 'stratified']);
  const seed = nonNegativeInteger(where, 'seed', options.seed ?? 0);
  const { labels, classNames } = divided;
  const first = new Map<number, number>();
  divided.part.rows.forEach((row, position) => first.has(row) || first.set(row, position));
  const distinct = [...first.keys()];
  if (!bool(where, 'stratified', options.stratified ?? false))
    return { seed, groups: new Map([[-1, distinct]]), distinct: distinct.length };
  if (labels === undefined)
    throw new OptionError(
      `${where}: stratified is for sets with classes; the targets of this one are numbers`,
    );
  const positions = [...first.values()];
  const classes = byLabel(Int32Array.from(positions, (position) => labels[position]!));
  const groups = new Map(
    [...classes].sort(([a], [b]) => a - b).map(([label, at]) => [label, at.map((i) => distinct[i]!)]),
  );
  for (const [label, members] of groups)
    if (members.length < least)
      throw new DataError(
        `${where}: class ${show(classNames[label] ?? label)} has ${members.length} of the at least ${least} samples that stratified needs`,
      );
  return { seed, groups, distinct: distinct.length };
}

function divide(rows: Int32Array, validates: (row: number) => boolean): DividedPositions {
  const positions = Int32Array.from(rows, (_, position) => position);
  return {
    train: positions.filter((position) => !validates(rows[position]!)),
    validation: positions.filter((position) => validates(rows[position]!)),
  };
}
