/** Trainer: fits a model to data with a loss and an optimizer, and evaluates it. */
import type { Augmentation } from '../augment';
import { planAugmentation } from '../augment/plan';
import { Dataset } from '../data/dataset';
import type { LastBatch } from '../data/cut';
import type { ChannelStatistics, ImageRecipe } from '../data/samples';
import { AbortedError, OptionError } from '../errors';
import * as losses from '../losses';
import type { Loss } from '../losses';
import { Running } from '../metrics';
import { hold, partsOf, type Holding } from '../nn/holds';
import type { Module } from '../nn/module';
import type { PredictOptions } from '../nn/predict';
import { WeightAverage } from '../optim/average';
import { Optimizer } from '../optim/optimizer';
import {
  checkKeys,
  checkSignal,
  clip,
  clipList,
  nonNegativeInteger,
  oneOf,
  positiveInteger,
  show,
  showMade,
} from '../options';
import { RandomState } from '../random';
import * as schedules from '../schedules';
import type { Schedule } from '../schedules';
import { PRECISIONS, type Precision } from '../tensor/dtype';
import { runtimeScalar } from '../tensor/tensor';
import { refreshStatistics, statisticsLayers } from './average';
import { evaluateSource, type EvaluateSourceOptions } from './evaluate';
import type { FitEvent, History } from './events';
import { Fit } from './fit';
import { checkFitOptions, settleBatches, type CheckedFitOptions, type FitOptions } from './fit-options';
import { readCheckpoint, type Resumed } from './checkpoint';
import { FitRun, type EpochClock } from './run';
import type { Position } from './position';
import { DatasetSource, requireSamples, StreamSource, type BatchSource, type BatchStream } from './source';
import type { Averages } from './totals';
import { checkTransform, settleTransform, type InputTransform } from './transform';

/** Options of `new Trainer(model, options)`. */
export interface TrainerOptions {
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Factor of the optimizer's learning rate over time. Default: constant. */
  readonly schedule?: Schedule;
  /**
   * An average of the weights, `optim.ema()` or `optim.swa({ start })`, kept beside them and in checkpoints. `evaluate` goes by it; so does
   * validation in `fit` with `ema`, once there is an average.
   */
  readonly average?: WeightAverage;
  /** What is done to training images, in the step's own program; `fit` must then be given a Dataset of images. Default: nothing. */
  readonly augment?: readonly Augmentation[];
  /**
   * What all inputs go through before the model, such as `preprocess.zca()`: fitted to the data given to `fit`, before the first step, or
   * fitted already. Images then enter it as pixels from 0 to 1. Kept in the model and saved with it; a model that has one keeps it.
   * Default: images are normalized per channel, features enter as they are.
   */
  readonly inputTransform?: InputTransform;
  /** Of initial weights, order, augmentation and dropout. Default 0. */
  readonly seed?: number;
  /**
   * 'bf16' stores activations and their gradients as bf16 and multiplies bf16 matrices; weights, their gradients, statistics, sums and
   * the optimizer stay f32. Fast where the processor has bf16 units (`tenon doctor`), else slower than 'fp32', the default.
   */
  readonly precision?: Precision;
}

/** Options of `Trainer.evaluate`. */
export interface EvaluateOptions {
  /** Samples at once. Default 128. Does not change the result, but for a loss that is a sum over a batch, whose mean over batches is given. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
  /** Set to no examples, then updated with each batch: read their values afterwards. Made by `metrics.running`. Default none. */
  readonly metrics?: readonly Running<unknown>[];
  /** Default: `averaged` where the trainer has an average that has begun, else `trained`. */
  readonly weights?: 'averaged' | 'trained';
}

/** Options of `Trainer.updateBatchNorm`. */
export interface UpdateBatchNormOptions {
  /** Samples at once; statistics are means over batches. Default 128. */
  readonly batchSize?: number;
}

/** Mean loss; accuracy where targets are classes. */
export type Evaluation = Averages;

const TRAINER_KEYS = [
  'loss',
  'optimizer',
  'schedule',
  'average',
  'augment',
  'inputTransform',
  'seed',
  'precision',
] as const;

export class Trainer {
  readonly model: Module;
  readonly optimizer: Optimizer;
  readonly average: WeightAverage | undefined;
  readonly seed: number;
  readonly precision: Precision;
  private readonly loss: Loss;
  private readonly schedule: Schedule | undefined;
  private readonly augment: readonly Augmentation[];
  private readonly inputTransform: InputTransform | undefined;
  private readonly random: RandomState;
  private readonly clock: EpochClock = { epoch: 0 };
  private readonly epochScalar = runtimeScalar(() => this.clock.epoch);

  /** @throws OptionError on an unknown key or a value of the wrong kind */
  constructor(model: Module, options: TrainerOptions) {
    checkKeys('Trainer', options, TRAINER_KEYS);
    if (typeof options?.loss !== 'function')
      throw new OptionError(
        `Trainer: loss must be a loss such as losses.crossEntropy(), got ${show(options?.loss)}`,
      );
    refuseMaker('loss', 'losses', losses, options.loss);
    if (!(options.optimizer instanceof Optimizer))
      throw new OptionError(
        `Trainer: optimizer must be one such as optim.sgd({ lr: 0.1 }), got ${showMade(options.optimizer)}`,
      );
    if (options.schedule !== undefined && typeof options.schedule !== 'function')
      throw new OptionError(
        `Trainer: schedule must be one such as schedules.cosine(), got ${show(options.schedule)}`,
      );
    refuseMaker('schedule', 'schedules', schedules, options.schedule);
    if (options.average !== undefined && !(options.average instanceof WeightAverage))
      throw new OptionError(
        `Trainer: average must be one such as optim.ema({ decay: 0.999 }), got ${showMade(options.average)}`,
      );
    planAugmentation(options.augment ?? [], [Infinity, Infinity]);
    this.model = model;
    this.average = options.average;
    this.loss = options.loss;
    this.optimizer = options.optimizer;
    this.schedule = options.schedule;
    this.augment = options.augment ?? [];
    this.inputTransform = checkTransform(options.inputTransform);
    this.seed = nonNegativeInteger('Trainer', 'seed', options.seed ?? 0);
    this.precision = oneOf('Trainer', 'precision', options.precision ?? 'fp32', PRECISIONS);
    this.random = new RandomState(this.seed);
  }

  /**
   * Trains on a Dataset, or on a stream of batches. Starts at once; await the result for the history, iterate it for events.
   * A model without weights is initialized from the seed; normalization, inputTransform and class names are taken from the data and kept
   * in the model.
   *
   * @throws OptionError, DataError at once; BusyError, likewise, where a run that goes on trains the model, a part of it, or with the same
   *   optimizer or average. What ends the run rejects it: AbortedError, NonFiniteError with the layer's name,
   *   FormatError for a corrupt image or checkpoint, what a stream or a callback throws. The weights are then those after the last whole step.
   *   A stream's label that no output stands for is found when its batch is computed: a step that was queued behind it is taken all the same.
   */
  fit(data: Dataset | BatchStream, options: FitOptions): Fit {
    const checked = checkFitOptions(data, options);
    if (this.augment.length > 0 && !(data instanceof Dataset && data.kind === 'images'))
      throw new OptionError(
        'fit: augment is for a Dataset of images; a stream and features are taken as they are',
      );
    const release = this.hold('fit', [this.optimizer, "the trainer's optimizer"]);
    return new Fit(async (emit) => {
      try {
        return await this.run(data, options, checked, emit);
      } finally {
        release();
      }
    });
  }

  /**
   * Mean loss and accuracy in evaluation mode, of the averaged weights where there are any. May be called while the model is being
   * trained, from a callback for example.
   * @throws OptionError, also for averaged weights whose batch norm has no statistics yet; DataError, FormatError for a corrupt image,
   *   AbortedError
   */
  async evaluate(data: Dataset | BatchStream, options: EvaluateOptions = {}): Promise<Evaluation> {
    checkKeys('evaluate', options, ['batchSize', 'signal', 'metrics', 'weights']);
    checkMetrics(options.metrics ?? []);
    const batchSize = positiveInteger('evaluate', 'batchSize', options.batchSize ?? 128);
    const signal = checkSignal('evaluate', options.signal);
    const average = this.averageFor(options.weights);
    if (data instanceof Dataset) requireSamples('evaluate', data);
    this.model.ensureInitialized({ seed: this.seed });
    await settleTransform('evaluate', this.model, this.inputTransform);
    const source = data instanceof Dataset ? await this.plainSource(data, batchSize) : new StreamSource(data);
    const { metrics = [] } = options;
    const release = hold(
      'evaluate',
      metrics.map((metric, i): Holding => [metric, `metric ${i}`]),
    );
    try {
      return await this.evaluateWith(source, { average, signal, metrics });
    } finally {
      release();
    }
  }

  /**
   * Computes batch norm's running statistics by a pass over `data` in training mode, for the averaged weights where there are any, else for
   * the model's: the last step of stochastic weight averaging (PyTorch's `update_bn`).
   * @throws OptionError, BusyError while the model or a part of it is being trained, DataError, FormatError for a corrupt image
   */
  async updateBatchNorm(data: Dataset, options: UpdateBatchNormOptions = {}): Promise<void> {
    checkKeys('updateBatchNorm', options, ['batchSize']);
    const batchSize = positiveInteger('updateBatchNorm', 'batchSize', options.batchSize ?? 128);
    requireSamples('updateBatchNorm', data);
    await this.holding('updateBatchNorm', async () => {
      const { model, precision, seed, average } = this;
      model.ensureInitialized({ seed });
      await settleTransform('updateBatchNorm', model, this.inputTransform);
      // Each batch counts as much as any other.
      const source = await this.plainSource(data, batchSize, 'even');
      const parts = { model, precision, source, random: new RandomState(seed) };
      await refreshStatistics(
        parts,
        source,
        average !== undefined && average.count > 0 ? average : undefined,
      );
    });
  }

  /** Puts the averaged weights into the model, to be saved or served. @throws OptionError where there is no average, or none yet; BusyError */
  async useAverage(): Promise<void> {
    const average = this.averageFor('averaged')!;
    await this.holding('useAverage', () => average.copyTo(this.model));
  }

  /** As `model.predict`: class probabilities of N raw images or inputs, or of a Dataset, off the event loop. */
  predict(inputs: Uint8Array | Float32Array | Dataset, options: PredictOptions = {}): Promise<Float32Array> {
    return this.model.predict(inputs, { precision: this.precision, ...options });
  }

  /** Until what it returns is called, no other run may change what this one does. */
  private hold(where: string, ...more: readonly Holding[]): () => void {
    const { model, average } = this;
    const own: Holding[] = average === undefined ? [] : [[average, "the trainer's average of weights"]];
    return hold(where, [...partsOf(model), ...own, ...more]);
  }

  private async holding(where: string, work: () => Promise<void>): Promise<void> {
    const release = this.hold(where);
    try {
      await work();
    } finally {
      release();
    }
  }

  /** The average that an evaluation goes by, or undefined for the trained weights. */
  private averageFor(weights: unknown): WeightAverage | undefined {
    const { average } = this;
    const begun = average !== undefined && average.count > 0;
    const chosen = oneOf('evaluate', 'weights', weights ?? (begun ? 'averaged' : 'trained'), [
      'averaged',
      'trained',
    ]);
    if (chosen === 'trained') return undefined;
    if (!begun) throw new OptionError('Trainer: there are no averaged weights yet');
    const stale = average.kind === 'swa' && average.statistics !== average.count;
    if (stale && statisticsLayers(this.model).length > 0)
      throw new OptionError(
        "Trainer: batch norm's statistics do not fit the averaged weights; call updateBatchNorm(data) first, or choose weights: 'trained'",
      );
    return average;
  }

  private async run(
    data: Dataset | BatchStream,
    options: FitOptions,
    checked: CheckedFitOptions,
    emit: (event: FitEvent) => void,
  ): Promise<History> {
    if (checked.signal?.aborted === true)
      throw new AbortedError('fit: aborted before the first step', { cause: checked.signal.reason });
    this.model.ensureInitialized({ seed: this.seed });
    const resumed =
      options.resume === undefined ? undefined : await this.readCheckpoint(options.resume, checked);
    if (resumed !== undefined && this.model.inputTransform === undefined && this.inputTransform !== undefined)
      throw new OptionError(
        `resume: ${clip(options.resume ?? '')} was trained without an inputTransform, the trainer has one`,
      );
    const batches = settleBatches(checked, resumed);
    const source =
      data instanceof Dataset
        ? await this.trainSource(data, batches)
        : new StreamSource(data, batches.accumulate);
    await this.settle(data);
    const held = options.validation && (await this.plainSource(options.validation, 128));
    const { model, loss, optimizer, schedule, average, random, precision, clock } = this;
    const validate =
      held &&
      ((): Promise<Averages> => {
        const averaged = average?.kind === 'ema' && average.count > 0 ? average : undefined;
        return this.evaluateWith(held, { average: averaged, signal: checked.signal });
      });
    const trained = { model, loss, optimizer, schedule, average, random, precision, clock };
    const parts = { ...trained, source, resumed, validate };
    return new FitRun(parts, { ...checked, batches }, emit).execute();
  }

  private readCheckpoint(directory: string, { batches }: CheckedFitOptions): Promise<Resumed> {
    const { model, optimizer, precision, average, seed } = this;
    return readCheckpoint(directory, { model, optimizer, precision, average }, { seed, batches });
  }

  private async trainSource(dataset: Dataset, batches: Position['batches']): Promise<DatasetSource> {
    const [, height = 1, width = 1] = dataset.inputShape;
    const plan = planAugmentation(this.augment, [height, width]);
    const statistics = await this.normalization(dataset, true);
    const recipe: ImageRecipe = { ...statistics, ...plan, seed: this.seed, epoch: this.epochScalar };
    const { batchSize, accumulate, lastBatch } = batches;
    const cut = { batchSize: batchSize!, accumulate, lastBatch: lastBatch! };
    return new DatasetSource(dataset, { cut, shuffleSeed: this.seed, recipe });
  }

  /** Samples in the order of the set. */
  private async plainSource(
    dataset: Dataset,
    batchSize: number,
    lastBatch: LastBatch = 'keep',
  ): Promise<DatasetSource> {
    const recipe = dataset.plainRecipe(await this.normalization(dataset, false), this.epochScalar);
    return new DatasetSource(dataset, { cut: { batchSize, lastBatch }, shuffleSeed: undefined, recipe });
  }

  /**
   * The model's own normalization where it has one, because its weights belong to it; else the data set's. `keep` notes in the model
   * what raw images must go through.
   */
  private async normalization(dataset: Dataset, keep: boolean): Promise<ChannelStatistics> {
    if (dataset.kind !== 'images') return { mean: [], std: [] };
    const [channels = 1, height = 1, width = 1] = dataset.inputShape;
    const known = this.model.preprocessing;
    const own = known !== undefined && known.mean.length === channels ? known : undefined;
    const { mean, std } = own ?? (await this.defaultNormalization(dataset));
    if (keep) {
      const resize = dataset.resize ?? own?.resize;
      this.model.preprocessing = { mean, std, channels, height, width, ...(resize && { resize }) };
      this.model.classNames = [...dataset.classNames];
    }
    return { mean, std };
  }

  private async settle(data: Dataset | BatchStream): Promise<void> {
    const normalization =
      data instanceof Dataset ? await this.normalization(data, false) : { mean: [], std: [] };
    await settleTransform('fit', this.model, this.inputTransform, { data, normalization });
  }

  /** Per channel, unless a transform sees to it. */
  private async defaultNormalization(dataset: Dataset): Promise<ChannelStatistics> {
    const transformed = (this.inputTransform ?? this.model.inputTransform) !== undefined;
    return (transformed ? undefined : await dataset.statistics()) ?? dataset.unscaled();
  }

  private evaluateWith(source: BatchSource, options: EvaluateSourceOptions): Promise<Averages> {
    const { model, loss, random, precision } = this;
    return evaluateSource({ model, loss, random, precision, source }, options);
  }
}

/** @throws OptionError where `value` is what makes a loss or a schedule, which are functions themselves */
function refuseMaker(name: string, space: string, makers: object, value: unknown): void {
  const maker = Object.entries(makers).find(([, candidate]) => candidate === value);
  if (maker !== undefined)
    throw new OptionError(
      `Trainer: ${name} is ${space}.${maker[0]}, a function that makes one; call it: ${space}.${maker[0]}()`,
    );
}

function checkMetrics(metrics: unknown): void {
  if (Array.isArray(metrics) && metrics.every((metric) => metric instanceof Running)) return;
  throw new OptionError(
    `evaluate: metrics must be a list of what metrics.running() makes, got ${Array.isArray(metrics) ? clipList(metrics.map(showMade)) : showMade(metrics)}`,
  );
}
