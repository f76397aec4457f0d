/** Measures of a model, which are counted and not differentiated. */
import { Running, type Metric } from './metric';

export { accuracy, topK } from './accuracy';
export { classificationReport, confusionMatrix } from './confusion';
export type { ClassificationReport, ClassScores } from './confusion';
export { Running, type Metric } from './metric';

/**
 * Running sums of a metric, to be updated in compiled steps or by `trainer.evaluate(data, { metrics })`:
 * `const matrix = metrics.running(metrics.confusionMatrix(10))`, and then `(await matrix.value()).macro.f1`.
 */
export function running<R>(metric: Metric<R>): Running<R> {
  return new Running(metric);
}
