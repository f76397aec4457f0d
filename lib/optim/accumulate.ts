/** Running means of gradients over several batches, so that small batches make the step of a large one. */
import { OptionError } from '../errors';
import { assign, withScope, type Trace } from '../graph/trace';
import * as ops from '../ops';
import { checkDType } from '../ops/checks';
import { positiveInteger } from '../options';
import type { Parameter } from '../tensor/parameter';
import { runtimeScalar, Tensor, zeros, type PersistentTensor } from '../tensor/tensor';

type Entries = readonly [Parameter, Tensor][];

/**
 * How much a batch counts: its number of samples or, where its mean is weighted, the sum of the weights
 * that it was divided by, a tensor of rank 0.
 */
export type BatchWeight = number | Tensor;

export class Accumulator {
  /** Batches that wait for an update, by how they count; those of samples with how many there are. */
  private waiting = { samples: 0, weighed: 0 };
  /** The sum of weights of the batches that wait, where they are weighed. */
  private weight: PersistentTensor | undefined;
  private readonly means = new Map<Parameter, Tensor>();

  /** Records that these gradients are taken in. */
  add(trace: Trace, entries: Entries, weight: BatchWeight): void {
    const means = entries.map(([p]) => this.buffer(p));
    this.record(entries, weight).forEach((mean, i) => assign(means[i]!, mean));
    trace.onRun({
      queued: () => {
        if (typeof weight === 'number') this.waiting.samples += weight;
        else this.waiting.weighed++;
      },
      refused: () => this.discard(),
    });
  }

  /** Records the mean over these gradients and all that were taken in; then a new mean begins. */
  mean(trace: Trace, entries: Entries, weight: BatchWeight): [Parameter, Tensor][] {
    const means = this.record(entries, weight);
    this.discardAtRun(trace);
    return entries.map(([p], i) => [p, means[i]!]);
  }

  /** Forgets what waits, with every run of the program that is being recorded. */
  discardAtRun(trace: Trace): void {
    const discard = (): void => this.discard();
    trace.onRun({ queued: discard, refused: discard });
  }

  /** Forgets what waits for an update. */
  discard(): void {
    this.waiting = { samples: 0, weighed: 0 };
  }

  dispose(): void {
    for (const mean of this.means.values()) mean.dispose();
    this.means.clear();
    this.weight?.dispose();
    this.weight = undefined;
    this.discard();
  }

  private record(entries: Entries, weight: BatchWeight): Tensor[] {
    return withScope('optimizer', () =>
      ops.runningMean(
        weight instanceof Tensor ? this.shareOfWeight(weight) : this.shareOfSamples(weight),
        entries.map(([p]) => this.buffer(p)),
        entries.map(([, g]) => g),
      ),
    );
  }

  /** The first batch has a share of 1: it begins the mean anew, whatever the buffers hold. */
  private shareOfSamples(samples: number): Tensor {
    positiveInteger('optimizer', 'samples', samples);
    return runtimeScalar(() => {
      if (this.waiting.weighed > 0) throw mixed();
      return samples / (this.waiting.samples + samples);
    });
  }

  /** Likewise. Where no sample counts so far, the share is 1 as well: there is nothing to be kept. */
  private shareOfWeight(given: Tensor): Tensor {
    checkDType('optimizer', 'samples', given, 'f32');
    const weight = ops.reshape(given, []);
    const kept = runtimeScalar(() => {
      if (this.waiting.samples > 0) throw mixed();
      return this.waiting.weighed > 0 ? 1 : 0;
    });
    const before = (this.weight ??= zeros([]));
    const total = ops.add(ops.mul(before, ops.fromScalar(kept)), weight);
    assign(before, total);
    const none = ops.equal(total, 0);
    return ops.cast(ops.div(ops.add(weight, none), ops.add(total, none)), 'f64');
  }

  private buffer(parameter: Parameter): Tensor {
    const buffer = this.means.get(parameter) ?? zeros(parameter.shape);
    this.means.set(parameter, buffer);
    return buffer;
  }
}

function mixed(): OptionError {
  return new OptionError(
    'optimizer: the batches of a step must all count by numbers of samples, or all by sums of weights',
  );
}
