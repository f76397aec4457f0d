/** Weights of classes: numbers, or those that balance the classes of the data set that is trained on. */
import { DataError, OptionError, ShapeError } from '../errors';
import { checkList, nearest, nonNegative, show } from '../options';
import { kind } from '../settings';

/** One weight for each class, or 'balanced': weights by the counts of the classes in `fit`'s data set. */
export type ClassWeights = readonly number[] | 'balanced';

function check(where: string, name: string, value: unknown): ClassWeights {
  if (value === 'balanced') return value;
  if (typeof value === 'string') {
    const hint = nearest(value, ['balanced']) === undefined ? '' : ' (did you mean "balanced"?)';
    throw new OptionError(`${where}: ${name} must be numbers or "balanced", got ${show(value)}${hint}`);
  }
  checkList(where, name, value);
  const weights = value.map((weight) => nonNegative(where, name, weight));
  if (!weights.some((weight) => weight > 0))
    throw new OptionError(`${where}: ${name} must have a weight above 0, got ${show(value)}`);
  return weights;
}

/** A setting of {@link ClassWeights}. */
export const classWeights = kind<ClassWeights>({ check, domain: { type: 'other' } });

/**
 * The weights n / (K count_k) of K classes of which there are `counts` examples, n in all: each class then
 * counts as much as any other, and the mean weight of an example is 1.
 *
 * `losses.crossEntropy({ classWeights: losses.balancedWeights(train.classCounts()) })`
 *
 * @throws OptionError; DataError for a class without examples
 */
export function balancedWeights(counts: readonly number[]): number[] {
  const where = 'losses.balancedWeights';
  checkList(where, 'counts', counts);
  const total = counts.reduce((sum, count) => sum + nonNegative(where, 'counts', count), 0);
  return counts.map((count, i) => {
    if (count === 0)
      throw new DataError(
        `${where}: there are no examples of class ${i}, so no weight balances it; pass numbers as weights`,
      );
    return total / (counts.length * count);
  });
}

/** The numbers. @throws OptionError while 'balanced' is not settled */
export function settledNumbers(where: string, name: string, given: ClassWeights): readonly number[] {
  if (given !== 'balanced') return given;
  throw new OptionError(
    `${where}: ${name} 'balanced' is for Trainer.fit, which counts the classes of its data set; here, pass numbers (losses.balancedWeights computes them)`,
  );
}

/** The numbers for outputs of so many classes. @throws as `settledNumbers`; ShapeError for other classes */
export function settledWeights(
  where: string,
  name: string,
  given: ClassWeights,
  classes: number,
): readonly number[] {
  const numbers = settledNumbers(where, name, given);
  if (numbers.length !== classes)
    throw new ShapeError(
      `${where}: ${name} has ${numbers.length} weights, but the outputs are of ${classes} classes`,
    );
  return numbers;
}
