/** Running means of gradients over several batches, so that small batches make the step of a large one. */
import { assign, withScope, type Trace } from '../graph/trace';
import { runningMean } from '../ops';
import { positiveInteger } from '../options';
import type { Parameter } from '../tensor/parameter';
import { runtimeScalar, zeros, type Tensor } from '../tensor/tensor';

type Entries = readonly [Parameter, Tensor][];

export class Accumulator {
  /** The samples of the batches queued since the last update. */
  private samples = 0;
  private readonly means = new Map<Parameter, Tensor>();

  /** Records that these gradients are taken in. */
  add(trace: Trace, entries: Entries, samples: number): void {
    const means = entries.map(([p]) => this.buffer(p));
    this.record(entries, samples).forEach((mean, i) => assign(means[i]!, mean));
    trace.onRun({
      queued: () => void (this.samples += samples),
      refused: () => this.discard(),
    });
  }

  /** Records the mean over these gradients and all that were taken in; then a new mean begins. */
  mean(trace: Trace, entries: Entries, samples: number): [Parameter, Tensor][] {
    const means = this.record(entries, samples);
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
    this.samples = 0;
  }

  dispose(): void {
    for (const mean of this.means.values()) mean.dispose();
    this.means.clear();
    this.discard();
  }

  /** The first batch has a share of 1: it begins the mean anew, whatever the buffers hold. */
  private record(entries: Entries, samples: number): Tensor[] {
    positiveInteger('optimizer', 'samples', samples);
    const share = runtimeScalar(() => samples / (this.samples + samples));
    return withScope('optimizer', () =>
      runningMean(
        share,
        entries.map(([p]) => this.buffer(p)),
        entries.map(([, g]) => g),
      ),
    );
  }

  private buffer(parameter: Parameter): Tensor {
    const buffer = this.means.get(parameter) ?? zeros(parameter.shape);
    this.means.set(parameter, buffer);
    return buffer;
  }
}
