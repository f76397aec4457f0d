/**
 * Divides the samples of a set into those that train and those that validate: k folds, or a part held out.
 */
import { DataError, OptionError } from '../errors';
import { positive, positiveInteger } from '../options';
import { shares } from './select';
import { unitsOf, type Divided, type FoldsOptions, type Unit, type Units } from './units';

/** Positions, ascending. */
export interface DividedPositions {
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

/**
 * For each of `k` folds the positions that validate, and all others. Samples are shuffled and dealt out
 * one after the other, with `stratified` class by class, as by scikit-learn's `KFold` and
 * `StratifiedKFold`. Groups go first, the largest before all others, each to the fold that has the fewest
 * samples of its classes, and of those the fewest samples. A sample that the set has more than once is
 * dealt with all its copies.
 * @throws OptionError, DataError
 */
export function foldPositions(divided: Divided, k: number, options: FoldsOptions): DividedPositions[] {
  const where = 'folds';
  if (positiveInteger(where, 'k', k) < 2) throw new OptionError(`${where}: k must be at least 2, got ${k}`);
  const { units, called } = unitsOf(where, divided, options, k);
  if (k > units.length)
    throw new DataError(`${where}: ${k} folds need as many ${called}, there are ${units.length}`);
  const folds = Array.from({ length: k }, () => ({ samples: 0, ofClass: new Map<number, number>() }));
  const foldOf = new Map<number, number>();
  for (const { rows, labels } of [...units].sort((a, b) => b.rows.length - a.rows.length)) {
    const alike = folds.map(({ ofClass }) =>
      labels.reduce((sum, label) => sum + (ofClass.get(label) ?? 0), 0),
    );
    let best = 0;
    for (let fold = 1; fold < k; fold++) {
      const fewer = alike[fold]! - alike[best]! || folds[fold]!.samples - folds[best]!.samples;
      if (fewer < 0) best = fold;
    }
    const chosen = folds[best]!;
    chosen.samples += rows.length;
    for (const label of labels) chosen.ofClass.set(label, (chosen.ofClass.get(label) ?? 0) + 1);
    for (const row of rows) foldOf.set(row, best);
  }
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
  const found = unitsOf(where, divided, options, 2);
  const { units, samples, called } = found;
  const count = Math.round(share * samples);
  if (count === 0 || count === samples || units.length < 2)
    throw new DataError(`${where}: a share of ${share} of ${units.length} ${called} leaves one part empty`);
  const validates = new Set(drawHeldOut(found, count).flatMap(({ rows }) => rows));
  return divide(divided.part.rows, (row) => validates.has(row));
}

/** What of a class is held out. */
interface HeldClass {
  readonly samples: number;
  readonly wanted: number;
  held: number;
  /** Units that train. */
  left: number;
}

/**
 * Goes through units in their random order, and takes those that bring their classes closer to their shares.
 * A class of which this takes nothing then gives the smallest of its units.
 */
function drawHeldOut({ units, sizes, samples }: Units, count: number): Unit[] {
  const wanted = shares(
    [...sizes.values()].map((size) => size / samples),
    count,
  );
  const classes = new Map(
    [...sizes].map(([label, size], i) => [label, { samples: size, wanted: wanted[i]!, held: 0, left: 0 }]),
  );
  for (const unit of units) for (const label of new Set(unit.labels)) classes.get(label)!.left++;
  const taken = new Set<Unit>();
  const take = (unit: Unit): void => {
    taken.add(unit);
    for (const label of unit.labels) classes.get(label)!.held++;
    for (const label of new Set(unit.labels)) classes.get(label)!.left--;
  };
  for (const unit of units) if (mayGo(unit, classes) && comesCloser(unit, classes)) take(unit);
  for (const [label, { wanted: some, held }] of classes) {
    if (some === 0 || held > 0) continue;
    const own = units.filter((unit) => unit.labels.includes(label) && mayGo(unit, classes));
    const [smallest] = own.sort((a, b) => a.rows.length - b.rows.length);
    if (smallest !== undefined) take(smallest);
  }
  return [...taken];
}

/** Whether some of each class keeps training, unless all of it is to validate. */
function mayGo({ labels }: Unit, classes: ReadonlyMap<number, HeldClass>): boolean {
  return labels.every((label) => {
    const { samples, wanted, left } = classes.get(label)!;
    return left > 1 || wanted === samples;
  });
}

function comesCloser({ labels }: Unit, classes: ReadonlyMap<number, HeldClass>): boolean {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  let gain = 0;
  for (const [label, count] of counts) {
    const { wanted, held } = classes.get(label)!;
    gain += Math.abs(wanted - held) - Math.abs(wanted - held - count);
  }
  return gain > 0;
}

function divide(rows: Int32Array, validates: (row: number) => boolean): DividedPositions {
  const positions = Int32Array.from(rows, (_, position) => position);
  return {
    train: positions.filter((position) => !validates(rows[position]!)),
    validation: positions.filter((position) => validates(rows[position]!)),
  };
}
