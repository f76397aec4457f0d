/** The learning-rate range test: at which rates a network learns. */
import type { Augmentation } from '../augment';
import { Dataset } from '../data/dataset';
import { NonFiniteError, OptionError } from '../errors';
import type { Loss } from '../losses';
import { MODE } from '../nn/mode';
import type { Module } from '../nn/module';
import type { AnyArray } from '../native';
import type { Optimizer } from '../optim/optimizer';
import { checkKeys, positive, positiveInteger, show } from '../options';
import { rangeTest } from '../schedules';
import type { Precision } from '../tensor/dtype';
import type { LazyTensor } from '../tensor/lazy';
import type { Callback } from './events';
import type { FitOptions } from './fit-options';
import { Trainer } from './trainer';

export interface RateRangeOptions {
  readonly loss: Loss;
  /**
   * A new optimizer, which the test uses up. Its own rate does not matter; its groups should have no rates.
   */
  readonly optimizer: Optimizer;
  /** The first rate. Default 1e-6. */
  readonly from?: number;
  /** The last rate. Default 10. */
  readonly to?: number;
  /** Default 100. */
  readonly steps?: number;
  /** Default 32. */
  readonly batchSize?: number;
  /** The test ends when the smoothed loss is this many times its lowest value so far. Default 4. */
  readonly stopAt?: number;
  readonly augment?: readonly Augmentation[];
  /** Default 0. */
  readonly seed?: number;
  readonly precision?: Precision;
}

/** The losses of a training whose learning rate rises from step to step. */
export interface RateRange {
  /**
   * One per step. `smoothed` is the exponential moving average of the losses with decay 0.9, corrected
   * for its beginning.
   */
  readonly points: readonly {
    readonly learningRate: number;
    readonly loss: number;
    readonly smoothed: number;
  }[];
  /** A tenth of the rate at which the smoothed loss was lowest: a cautious choice. */
  readonly suggestion: number;
}

const KEYS = [
  'loss',
  'optimizer',
  'from',
  'to',
  'steps',
  'batchSize',
  'stopAt',
  'augment',
  'seed',
  'precision',
] as const;

const SMOOTHING = 0.9;

/**
 * Trains for a while with a rate that rises exponentially, and returns the losses (Smith 2017, "Cyclical
 * learning rates for training neural networks"). Ends early when the loss explodes. Restores the model's
 * weights, buffers and modes afterwards.
 * @throws OptionError, DataError; BusyError if another run uses the model, a part of it or the optimizer; and
 *   what `fit` rejects with, except that numbers which are not finite only end the test
 */
export async function rateRange(model: Module, data: Dataset, options: RateRangeOptions): Promise<RateRange> {
  const where = 'rateRange';
  checkKeys(where, options, KEYS);
  if (!(data instanceof Dataset))
    throw new OptionError(`${where}: data must be a Dataset, got ${show(data)}`);
  if (options === undefined)
    throw new OptionError(`${where}: options are missing; at least { loss, optimizer }`);
  const { loss, optimizer, augment, precision, seed } = options;
  const from = positive(where, 'from', options.from ?? 1e-6);
  const to = positive(where, 'to', options.to ?? 10);
  const steps = positiveInteger(where, 'steps', options.steps ?? 100);
  const batchSize = positiveInteger(where, 'batchSize', options.batchSize ?? 32);
  const stopAt = positive(where, 'stopAt', options.stopAt ?? 4);
  const trainer = new Trainer(model, {
    loss,
    optimizer,
    schedule: rangeTest({ from, to, length: steps }),
    ...(augment && { augment }),
    ...(precision && { precision }),
    ...(seed !== undefined && { seed }),
  });
  await model.ensureInitializedAsync({ seed });
  const watch = new Watch(stopAt);
  await trainAndPutBack(trainer, data, { epochs: steps, batchSize, maxSteps: steps }, watch);
  return watch.result(from);
}

/** Trains as long as numbers stay finite, and leaves the model as it was before. */
async function trainAndPutBack(
  trainer: Trainer,
  data: Dataset,
  options: FitOptions,
  watch: Callback,
): Promise<void> {
  const { model, optimizer } = trainer;
  const settings = settingsOf(model);
  let restored: Promise<void> | undefined;
  // The run must still hold the model: another run may begin as soon as this one has ended.
  const restore: Callback = { onEnd: () => (restored ??= putBack()) };
  const fit = trainer.fit(data, { ...options, callbacks: [watch, restore] });
  // Read only now, because fit refuses what another run uses. Its first step is queued behind these reads.
  optimizer.lr = 1;
  const weights = weightsOf(model);
  async function putBack(): Promise<void> {
    await Promise.all((await weights).map(([tensor, values]) => tensor.storage.write(values)));
    settings.putBack();
  }
  try {
    await fit;
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
  } finally {
    await (restored ??= putBack());
    optimizer.dispose();
  }
}

/** Collects one point per step. */
class Watch implements Callback {
  readonly everySteps = 1;
  private readonly points: RateRange['points'][number][] = [];
  private mean = 0;
  private least = Infinity;

  constructor(private readonly stopAt: number) {}

  onSteps(_step: number, control: Parameters<NonNullable<Callback['onSteps']>>[1]): void {
    if (control.lastStep === undefined) return;
    const { loss, learningRate } = control.lastStep;
    this.mean = SMOOTHING * this.mean + (1 - SMOOTHING) * loss;
    const smoothed = this.mean / (1 - SMOOTHING ** (this.points.length + 1));
    this.points.push({ learningRate, loss, smoothed });
    this.least = Math.min(this.least, smoothed);
    if (smoothed > this.stopAt * this.least) control.stop();
  }

  result(from: number): RateRange {
    const best = this.points.find(({ smoothed }) => smoothed === this.least);
    return { points: this.points, suggestion: (best?.learningRate ?? from) / 10 };
  }
}

/** Copies of weights and buffers. */
function weightsOf(model: Module): Promise<(readonly [LazyTensor, AnyArray])[]> {
  const tensors: LazyTensor[] = [...model.namedParameters().values(), ...model.namedBuffers().values()];
  return Promise.all(tensors.map(async (tensor) => [tensor, await tensor.data()] as const));
}

/** The modes of a model, and the settings that it takes from a data set. */
function settingsOf(model: Module): { putBack(): void } {
  const { preprocessing, classNames } = model;
  const modes = [...model.namedModules().values()].map((module) => ({ module, mode: module[MODE] }));
  return {
    putBack() {
      for (const { module, mode } of modes) module[MODE] = mode;
      model.preprocessing = preprocessing;
      if (classNames === undefined) delete model.classNames;
      else model.classNames = classNames;
    },
  };
}
