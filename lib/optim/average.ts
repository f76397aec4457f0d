/**
 * Averages of a model's weights over the course of training, which often generalize better than the last
 * ones. An average has memory of its own; the model's weights are trained as if it were not there.
 */
import { FormatError, OptionError } from '../errors';
import { compile } from '../compile/compile';
import { assign, currentTrace, withScope, withSubstitutes } from '../graph/trace';
import type { Module } from '../nn/module';
import { runningMean } from '../ops';
import { clip, nonNegativeInteger } from '../options';
import { bool, declareSettings, positiveInteger, type OptionsOf } from '../settings';
import type { LazyTensor } from '../tensor/lazy';
import { formatShape, sameShape } from '../tensor/shape';
import type { Storage } from '../tensor/storage';
import { runtimeScalar, zeros, type PersistentTensor, type Tensor } from '../tensor/tensor';
import { decayRate } from './common';
import type { LoadedOptimizerState } from './optimizer';

/** State as it is kept in checkpoints: averaged parameters and buffers by name. */
export interface AverageState {
  /** How many times weights were taken in. */
  readonly count: number;
  /** `count` when batch norm's statistics were last computed for the average. */
  readonly statistics: number;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** State read back from a checkpoint. */
export interface LoadedAverageState {
  readonly count: number;
  readonly statistics: number;
  readonly tensors: LoadedOptimizerState['tensors'];
}

/** An average of the weights over the steps or epochs of a training: what `ema` and `swa` make. */
export abstract class WeightAverage {
  abstract readonly kind: 'ema' | 'swa';
  /** How many times weights were taken in. */
  count = 0;
  /** `count` when batch norm's statistics were last computed for the average. */
  statistics = 0;
  private readonly means = new Map<string, PersistentTensor>();

  /**
   * Share of the newest weights, and of the newest buffers (running statistics), in the average. The first
   * share is 1.
   */
  protected abstract readonly shares: { readonly parameters: () => number; readonly buffers: () => number };

  /** Whether `fit` takes weights in at the end of this epoch, counted from 1; undefined: in each step. */
  abstract due(epoch: number): boolean | undefined;

  /**
   * Records that the average takes in the model's weights and buffers as they are at this place: after
   * `optimizer.update`, the new ones. Only inside a function given to `compile`; part of the step, so that a
   * step that commits nothing changes no average either.
   */
  record(model: Module): void {
    const trace = currentTrace();
    withScope('average', () => {
      this.recordMeans(model.namedParameters(), this.shares.parameters);
      this.recordMeans(model.namedBuffers(), this.shares.buffers);
    });
    trace?.onRun({ queued: () => void this.count++, refused: () => void this.count-- });
  }

  /**
   * Records `fn` with the averaged weights and buffers in the place of the model's. Only inside a function
   * given to `compile`.
   * @throws TraceError elsewhere; OptionError while there is no average
   */
  inPlaceOf<R>(model: Module, fn: () => R): R {
    this.requireSome();
    const substitutes = new Map<Storage, Tensor>();
    for (const [name, tensor] of tensorsOf(model))
      substitutes.set(tensor.storage, tensor.admit(this.mean(name, tensor)));
    return withSubstitutes('average.inPlaceOf', substitutes, fn);
  }

  /** Copies the averaged weights and buffers into a model. @throws OptionError while there is no average */
  async copyTo(model: Module): Promise<void> {
    this.requireSome();
    const copy = compile(() => {
      for (const [name, tensor] of tensorsOf(model)) assign(tensor, this.mean(name, tensor));
    });
    await copy();
    copy.dispose();
  }

  /** What a checkpoint has to keep. The tensors are live. */
  state(): AverageState {
    const { count, statistics } = this;
    return { count, statistics, tensors: new Map([...this.means].sort(([a], [b]) => (a < b ? -1 : 1))) };
  }

  /**
   * Checks what `loadState` will be given.
   * @throws FormatError where it is not a state of an average of this model
   */
  checkState(state: LoadedAverageState, model: Module): void {
    const tensors = tensorsOf(model);
    for (const [name, { shape }] of state.tensors) {
      const own = tensors.get(name);
      if (own === undefined || !sameShape(own.shape, shape))
        throw new FormatError(
          `average: '${clip(name)}' is ${formatShape(shape)}, the model's ${own === undefined ? 'is missing' : formatShape(own.shape)}`,
        );
    }
    if (state.count > 0 && state.tensors.size !== tensors.size)
      throw new FormatError(`average: has ${state.tensors.size} tensors, the model ${tensors.size}`);
  }

  /** Goes on from a saved state. @throws as checkState, before anything is changed */
  async loadState(state: LoadedAverageState, model: Module): Promise<void> {
    this.checkState(state, model);
    const tensors = tensorsOf(model);
    await Promise.all(
      [...state.tensors].map(([name, { data }]) => this.mean(name, tensors.get(name)!).storage.write(data)),
    );
    this.count = nonNegativeInteger('average', 'count', state.count);
    this.statistics = nonNegativeInteger('average', 'statistics', state.statistics);
  }

  /** Frees the memory now. */
  dispose(): void {
    for (const mean of this.means.values()) mean.dispose();
    this.means.clear();
    this.count = 0;
  }

  private recordMeans(tensors: ReadonlyMap<string, LazyTensor>, share: () => number): void {
    if (tensors.size === 0) return;
    const means = [...tensors].map(([name, tensor]) => this.mean(name, tensor));
    const next = runningMean(runtimeScalar(share), means, [...tensors.values()]);
    means.forEach((mean, i) => assign(mean, next[i]!));
  }

  private mean(name: string, tensor: LazyTensor): PersistentTensor {
    const mean = this.means.get(name) ?? zeros(tensor.shape);
    this.means.set(name, mean);
    return mean;
  }

  private requireSome(): void {
    if (this.count === 0) throw new OptionError(`optim.${this.kind}: no weights have been averaged yet`);
  }
}

function tensorsOf(model: Module): Map<string, LazyTensor> {
  return new Map<string, LazyTensor>([...model.namedParameters(), ...model.namedBuffers()]);
}

const emaSettings = declareSettings({
  decay: decayRate('Share of the average that a step keeps.', { default: 0.999 }),
  warmup: bool(
    'Keeps no more than (1 + n) / (10 + n) after n steps, so that the first weights are soon forgotten.',
    {
      default: true,
    },
  ),
});

export type EmaOptions = OptionsOf<typeof emaSettings>;

/**
 * Exponential moving average, taken in every step (Polyak & Juditsky 1992; the warm-up is TensorFlow's).
 * Running statistics are averaged too.
 */
export class Ema extends WeightAverage {
  readonly kind = 'ema';
  /** May be changed between steps. */
  decay: number;
  readonly warmup: boolean;
  protected readonly shares = { parameters: () => this.share(), buffers: () => this.share() };

  constructor(options: EmaOptions = {}) {
    super();
    ({ decay: this.decay, warmup: this.warmup } = emaSettings.read('optim.ema', options));
  }

  due(): undefined {
    return undefined;
  }

  private share(): number {
    const decay = emaSettings.declared.decay.check('optim.ema', 'decay', this.decay);
    if (this.count === 0) return 1;
    return 1 - (this.warmup ? Math.min(decay, (1 + this.count) / (10 + this.count)) : decay);
  }
}

const swaSettings = declareSettings({
  start: positiveInteger('The first epoch, counted from 1, at whose end weights are taken in.'),
  every: positiveInteger('Epochs from one to the next.', { default: 1 }),
});

export type SwaOptions = OptionsOf<typeof swaSettings>;

/**
 * Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights at the ends of epochs. Batch
 * norm's running statistics do not fit such a mean: compute them by `Trainer.updateBatchNorm`. Until then
 * they are the model's last ones.
 */
export class Swa extends WeightAverage {
  readonly kind = 'swa';
  readonly start: number;
  readonly every: number;
  protected readonly shares = { parameters: () => 1 / (this.count + 1), buffers: () => 1 };

  constructor(options: SwaOptions) {
    super();
    ({ start: this.start, every: this.every } = swaSettings.read('optim.swa', options));
  }

  due(epoch: number): boolean {
    return epoch >= this.start && (epoch - this.start) % this.every === 0;
  }
}

/** For `new Trainer(model, { average: optim.ema({ decay: 0.999 }) })`. @throws OptionError */
export function ema(options: EmaOptions = {}): Ema {
  return new Ema(options);
}

/** For `new Trainer(model, { average: optim.swa({ start: 11 }) })`. @throws OptionError */
export function swa(options: SwaOptions): Swa {
  return new Swa(options);
}
