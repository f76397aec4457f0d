/**
 * Sums that steps add to in native memory, in f64, so that nothing has to wait for a step. They are read
 * once per epoch.
 */
import { assign } from '../graph/trace';
import { accumulate, affine, countCorrect, reshape } from '../ops';
import { zeros, type Tensor } from '../tensor/tensor';

/** Plain numbers of a moment. */
export interface TotalsState {
  readonly lossSum: number;
  readonly correct: number;
  /** Samples counted. */
  readonly samples: number;
  /** Whether there were classes to be right about. */
  readonly classes: boolean;
}

/** Mean loss, and accuracy where there is one. */
export interface Averages {
  readonly loss: number;
  readonly accuracy?: number;
}

export class Totals {
  /** Samples of the steps queued so far. */
  samples = 0;
  private readonly lossSum = zeros([], 'f64');
  private readonly correct = zeros([], 'f64');
  private classes = false;

  /** Records the addition of one batch: `loss` is the mean over its `size` samples. */
  record(loss: Tensor, outputs: Tensor, targets: Tensor, size: number): void {
    assign(this.lossSum, accumulate(this.lossSum, affine(reshape(loss, []), size)));
    if (!isClassification(outputs, targets)) return;
    this.classes = true;
    assign(this.correct, accumulate(this.correct, countCorrect(outputs, targets)));
  }

  async reset(): Promise<void> {
    await this.restore({ lossSum: 0, correct: 0, samples: 0, classes: this.classes });
  }

  /** Lands behind all queued steps. */
  async restore(state: TotalsState): Promise<void> {
    this.samples = state.samples;
    this.classes = state.classes;
    await Promise.all([
      this.lossSum.storage.write(Float64Array.of(state.lossSum)),
      this.correct.storage.write(Float64Array.of(state.correct)),
    ]);
  }

  /** The sums after all queued steps. */
  async state(): Promise<TotalsState> {
    const { samples, classes } = this;
    const [lossSum, correct] = await Promise.all([this.lossSum.item(), this.correct.item()]);
    return { lossSum, correct, samples, classes };
  }

  async averages(): Promise<Averages> {
    const { lossSum, correct, samples, classes } = await this.state();
    return { loss: lossSum / samples, ...(classes && { accuracy: correct / samples }) };
  }

  dispose(): void {
    this.lossSum.dispose();
    this.correct.dispose();
  }
}

/** Class indices against one score a class. */
export function isClassification(outputs: Tensor, targets: Tensor): boolean {
  return targets.dtype === 'i32' && targets.rank === 1 && outputs.rank === 2;
}
