/** Measures that are sums over examples, and their running sums in native memory. */
import { ShapeError } from '../errors';
import { assign } from '../graph/trace';
import * as ops from '../ops';
import { checkFunction, checkObject } from '../options';
import { formatShape, sameShape, type Shape } from '../tensor/shape';
import { checkTensor, zeros, type PersistentTensor, type Tensor } from '../tensor/tensor';

/** A measure made of sums over examples; `R` is its value. */
export interface Metric<R = number> {
  readonly name: string;
  /** Shape of the sums; [] for one number. */
  readonly shape: Shape;
  /** Sums over the batch, f32. @throws ShapeError, DTypeError for outputs and targets that do not fit */
  count(outputs: Tensor, targets: Tensor): Tensor;
  /** From the sums over all examples. */
  value(sums: Float64Array, examples: number): R;
}

/** A metric over many batches: f64 sums that steps add to, so that nothing waits for them. */
export class Running<R = number> {
  private readonly sums: PersistentTensor;
  private readonly examples = zeros([], 'f64');

  constructor(readonly metric: Metric<R>) {
    checkObject('metrics.running', 'metric', metric);
    for (const name of ['count', 'value'])
      checkFunction('metrics.running', `metric.${name}`, Reflect.get(metric, name) as unknown);
    this.sums = zeros(metric.shape, 'f64');
  }

  /**
   * Records the addition of a batch, inside a function given to compile().
   * @throws TraceError elsewhere; ShapeError, DTypeError
   */
  update(outputs: Tensor, targets: Tensor): void {
    const counted = this.metric.count(outputs, targets);
    assign(this.sums, ops.accumulate(this.sums, counted));
    assign(this.examples, ops.accumulate(this.examples, ops.full([], outputs.shape[0] ?? 1)));
  }

  /** The value after all steps queued so far; NaN, or zeros, before the first. */
  async value(): Promise<R> {
    const [sums, examples] = await Promise.all([this.sums.data(), this.examples.item()]);
    return this.metric.value(Float64Array.from(sums), examples);
  }

  /** Resets to no examples, after all steps queued so far. */
  async reset(): Promise<void> {
    await Promise.all(
      [this.sums, this.examples].map(({ storage, size }) => storage.write(new Float64Array(size))),
    );
  }

  /** Frees the memory of the sums now. */
  dispose(): void {
    this.sums.dispose();
    this.examples.dispose();
  }
}

/** @throws ShapeError unless there are class scores [N, K] and a target for each example */
export function checkScores(where: string, outputs: Tensor, targets: Tensor): [number, number] {
  checkTensor(where, 'outputs', outputs);
  checkTensor(where, 'targets', targets);
  const [rows, classes] = outputs.shape;
  const fits = targets.rank === 1 ? targets.shape[0] === rows : sameShape(targets.shape, outputs.shape);
  if (outputs.rank !== 2 || !fits)
    throw new ShapeError(
      `${where}: expects outputs [N, K] and targets [N] or [N, K], got ${formatShape(outputs.shape)} and ${formatShape(targets.shape)}`,
    );
  return [rows!, classes!];
}

/** Class indices i32 [N]; for soft targets f32 [N, K], the index of the largest. */
export function labelsOf(targets: Tensor): Tensor {
  return targets.dtype === 'f32' && targets.rank === 2 ? ops.argmax(targets) : targets;
}
