/**
 * Sums that steps add to in native memory, in f64, so that nothing has to wait for a step. They are read
 * once per epoch.
 */
import { assign } from '../graph/trace';
import { accumulate, affine, countCorrect, mul, reshape } from '../ops';
import { sameShape } from '../tensor/shape';
import { zeros, type Tensor } from '../tensor/tensor';

/** Plain numbers of a moment. */
export interface TotalsState {
  readonly lossSum: number;
  readonly correct: number;
  /** Samples counted. */
  readonly samples: number;
  /** Whether there were classes to be right about. */
  readonly classes: boolean;
  /** What the means that were added were divided by; absent where that is the number of samples. */
  readonly weight?: number;
  /** Absent where nothing is added to the loss. */
  readonly penaltySum?: number;
}

/** What `evaluate` measures. */
export interface Evaluation {
  /** The mean over samples. */
  readonly loss: number;
  /** The share of samples classified correctly, 0 to 1; absent where targets are not classes. */
  readonly accuracy?: number;
}

/** Those of training. */
export interface TrainAverages extends Evaluation {
  /** What regularizers added to the loss, where there are any. */
  readonly penalty?: number;
}

/** A batch as it was recorded. */
export interface Recorded {
  readonly outputs: Tensor;
  readonly targets: Tensor;
  readonly loss: Tensor;
  /** What the mean was divided by; undefined for the number of samples. */
  readonly divisor: Tensor | undefined;
  /** What regularizers add to the loss. */
  readonly penalty?: Tensor | undefined;
}

/** Sums over the samples of a batch, f32 of rank 0. */
export interface BatchSums {
  readonly loss: Tensor;
  /** What mean losses were divided by; undefined where that is the number of samples. */
  readonly weight: Tensor | undefined;
  /** The penalty for each sample; undefined where there is none. */
  readonly penalty: Tensor | undefined;
  /** Samples classified correctly; undefined where there are no classes. */
  readonly correct: Tensor | undefined;
}

/**
 * Records the sums over a batch of `size` samples: `loss` is their mean, or a weighted one that was divided
 * by `divisor`. Targets f32 [B, K] are probabilities only where `labelled` says that samples have classes;
 * the heaviest then counts.
 */
export function sumsOf(
  { loss, outputs, targets, divisor, penalty }: Recorded,
  size: number,
  labelled = false,
): BatchSums {
  const mean = reshape(loss, []);
  return {
    loss: divisor === undefined ? affine(mean, size) : mul(mean, divisor),
    weight: divisor,
    penalty: penalty && affine(penalty, size),
    correct: isClassification(outputs, targets, labelled) ? countCorrect(outputs, targets) : undefined,
  };
}

export class Totals {
  /** Samples of the steps queued so far. */
  samples = 0;
  private readonly lossSum = zeros([], 'f64');
  private readonly correct = zeros([], 'f64');
  private readonly weight = zeros([], 'f64');
  private readonly penaltySum = zeros([], 'f64');
  private classes = false;
  private weighted = false;
  private penalized = false;

  /** Records the addition of one batch of `size` samples. */
  record(recorded: Recorded, size: number, labelled = false): void {
    this.add(sumsOf(recorded, size, labelled));
  }

  /** Records the addition of these sums. */
  add({ loss, weight, penalty, correct }: BatchSums): void {
    assign(this.lossSum, accumulate(this.lossSum, loss));
    if (weight !== undefined) {
      this.weighted = true;
      assign(this.weight, accumulate(this.weight, weight));
    }
    if (penalty !== undefined) {
      this.penalized = true;
      assign(this.penaltySum, accumulate(this.penaltySum, penalty));
    }
    if (correct === undefined) return;
    this.classes = true;
    assign(this.correct, accumulate(this.correct, correct));
  }

  async reset(): Promise<void> {
    const { classes, weighted, penalized } = this;
    const more = { ...(weighted && { weight: 0 }), ...(penalized && { penaltySum: 0 }) };
    await this.restore({ lossSum: 0, correct: 0, samples: 0, classes, ...more });
  }

  /** Lands behind all queued steps. */
  async restore(state: TotalsState): Promise<void> {
    this.samples = state.samples;
    this.classes = state.classes;
    this.weighted = state.weight !== undefined;
    this.penalized = state.penaltySum !== undefined;
    await Promise.all([
      this.weight.storage.write(Float64Array.of(state.weight ?? 0)),
      this.penaltySum.storage.write(Float64Array.of(state.penaltySum ?? 0)),
      this.lossSum.storage.write(Float64Array.of(state.lossSum)),
      this.correct.storage.write(Float64Array.of(state.correct)),
    ]);
  }

  /** The sums after all queued steps. */
  async state(): Promise<TotalsState> {
    const { samples, classes, weighted, penalized } = this;
    const sums = [this.lossSum, this.correct, this.weight, this.penaltySum].map((sum) => sum.item());
    const [lossSum = 0, correct = 0, weight, penaltySum] = await Promise.all(sums);
    const more = { ...(weighted && { weight }), ...(penalized && { penaltySum }) };
    return { lossSum, correct, samples, classes, ...more };
  }

  async averages(): Promise<TrainAverages> {
    return averagesOf(await this.state());
  }

  dispose(): void {
    this.lossSum.dispose();
    this.correct.dispose();
    this.weight.dispose();
    this.penaltySum.dispose();
  }
}

/** The means that sums stand for. */
export function averagesOf(state: TotalsState): TrainAverages {
  const { lossSum, correct, samples, classes, weight = samples, penaltySum } = state;
  return {
    loss: weight === 0 ? 0 : lossSum / weight, // as the losses themselves have it
    ...(classes && { accuracy: correct / samples }),
    ...(penaltySum !== undefined && { penalty: penaltySum / samples }),
  };
}

/** Class indices, or probabilities of classes, against one score a class. */
export function isClassification(outputs: Tensor, targets: Tensor, labelled = false): boolean {
  if (outputs.rank !== 2) return false;
  return targets.dtype === 'i32' ? targets.rank === 1 : labelled && sameShape(targets.shape, outputs.shape);
}
