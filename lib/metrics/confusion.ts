/** The confusion matrix, and precision, recall and F1 from it. */
import { OptionError, ShapeError } from '../errors';
import * as ops from '../ops';
import { positiveInteger, show } from '../options';
import { checkScores, labelsOf, type Metric } from './metric';

/** The scores of one class, or their average over classes. */
export interface ClassScores {
  /** The share of the answers naming the class that are right; 0 where no answer names it. */
  readonly precision: number;
  /** The share of the examples of the class that were found; 0 where there are none. */
  readonly recall: number;
  /** Harmonic mean of the two: 2 TP / (2 TP + FP + FN). */
  readonly f1: number;
}

export interface ClassificationReport {
  /** Row: the true class; column: the class with the largest output. */
  readonly matrix: readonly (readonly number[])[];
  readonly classes: readonly (ClassScores & {
    /** Examples of the class. */
    readonly support: number;
  })[];
  readonly accuracy: number;
  /** Mean over classes. */
  readonly macro: ClassScores;
  /** Mean over classes, weighted by support. */
  readonly weighted: ClassScores;
}

function ratio(a: number, b: number): number {
  return b === 0 ? 0 : a / b;
}

function average(scores: readonly ClassScores[], weights: readonly number[]): ClassScores {
  const total = weights.reduce((a, b) => a + b, 0);
  const of = (key: keyof ClassScores): number =>
    ratio(
      scores.reduce((sum, score, i) => sum + score[key] * weights[i]!, 0),
      total,
    );
  return { precision: of('precision'), recall: of('recall'), f1: of('f1') };
}

function isSquare(matrix: unknown): boolean {
  const isRow = (row: unknown, _: number, all: readonly unknown[]): boolean =>
    Array.isArray(row) && row.length === all.length && row.every((n: number) => n >= 0 && n < Infinity);
  return Array.isArray(matrix) && matrix.every(isRow);
}

/**
 * Precision, recall and F1 of each class and averaged, from counts with a row for each true class and a
 * column for each predicted one.
 * @throws OptionError for what is not a square of numbers of at least 0
 */
export function classificationReport(matrix: readonly (readonly number[])[]): ClassificationReport {
  if (!isSquare(matrix))
    throw new OptionError(`classificationReport: expects a square matrix of counts, got ${show(matrix)}`);
  const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
  const hits = matrix.map((row, i) => row[i]!);
  const classes = matrix.map((row, i) => {
    const [hit, support, found] = [hits[i]!, total(row), total(matrix.map((other) => other[i]!))];
    return {
      precision: ratio(hit, found),
      recall: ratio(hit, support),
      f1: ratio(2 * hit, support + found),
      support,
    };
  });
  return {
    matrix,
    classes,
    accuracy: ratio(total(hits), total(matrix.map(total))),
    macro: average(
      classes,
      classes.map(() => 1),
    ),
    weighted: average(
      classes,
      classes.map((c) => c.support),
    ),
  };
}

/**
 * Counts of (true class, class with the largest output) and what follows from them. Outputs [N, classes],
 * targets i32 [N] or soft, f32 [N, classes]. A label outside [0, classes) rejects the run with a DataError.
 * @throws OptionError; counting ShapeError
 */
export function confusionMatrix(classes: number): Metric<ClassificationReport> {
  positiveInteger('metrics.confusionMatrix', 'classes', classes);
  return {
    name: 'confusionMatrix',
    shape: [classes, classes],
    count: (outputs, targets) => {
      const [, scores] = checkScores('metrics.confusionMatrix', outputs, targets);
      if (scores !== classes)
        throw new ShapeError(
          `metrics.confusionMatrix: expects outputs of ${classes} classes, they have ${scores}`,
        );
      const truth = ops.oneHot(labelsOf(targets), classes);
      return ops.matmul(truth, ops.oneHot(ops.argmax(outputs), classes), { transposeA: true });
    },
    value: (sums) =>
      classificationReport(
        Array.from({ length: classes }, (_, i) => [...sums.subarray(i * classes, (i + 1) * classes)]),
      ),
  };
}
