/** Trainer: fits a model to data with a loss and an optimizer, and evaluates it. */
import type { Augmentation } from '../augment';
import { checkAugmentations } from '../augment/pipeline';
import { Dataset } from '../data/dataset';
import type { World } from '../distributed';
import { AbortedError, OptionError } from '../errors';
import type { Loss } from '../losses';
import { hold, partsOf, type Holding } from '../nn/holds';
import type { Module } from '../nn/module';
import type { PredictOptions } from '../nn/predict';
import { WeightAverage } from '../optim/average';
import { Optimizer } from '../optim/optimizer';
import { checkKeys, nonNegativeInteger, oneOf, positiveInteger, showMade } from '../options';
import { RandomState } from '../random';
import type { Regularizer } from '../regularizers';
import type { Schedule } from '../schedules';
import { PRECISIONS, type Precision } from '../tensor/dtype';
import { runtimeScalar } from '../tensor/tensor';
import { refreshStatistics, statisticsLayers } from './average';
import { isStateful } from './callback-state';
import { checkLoss, checkRegularizers, checkSchedule, settledLoss } from './checks';
import { evaluate, evaluationSource, type EvaluationOptions } from './evaluate';
import type { Evaluation } from './totals';
import type { FitEvent, History } from './events';
import { figureNames } from './figures';
import { Fit } from './fit';
import { checkFitOptions, settleBatches, type CheckedFitOptions, type FitOptions } from './fit-options';
import { endAll } from './followers';
import { FitRun, type EpochClock } from './run';
import { Ranks } from './ranks';
import { checkSyncBatchNorm, checkWorld } from './shards';
import { validate } from './validation';
import { prepareRun, prepareTogether, type PreparedRun, type PreparedTrainer } from './prepare';
import { lossOfMixed } from './augmented';
import { requireSamples, type BatchStream } from './batch-source';
import { checkTransform, plainSource, settleTransform, type InputTransform } from './inputs';

/** Options of `new Trainer(model, options)`. */
export interface TrainerOptions {
  /** What is minimized, such as `losses.crossEntropy()`: the mean over the samples of a batch. */
  readonly loss: Loss;
  /**
   * A term of what is minimized that depends on the weights alone, such as `regularizers.l2(1e-4)`, or
   * several. Reported losses are those of the data, without it; the `penalty` of steps and epochs is what it
   * adds. Default: none.
   */
  readonly regularizer?: Regularizer | readonly Regularizer[];
  /** What changes the weights, such as `optim.sgd({ lr: 0.1, momentum: 0.9 })`. */
  readonly optimizer: Optimizer;
  /** Factor of the optimizer's learning rate over time. Default: constant. */
  readonly schedule?: Schedule;
  /**
   * An average of the weights, `optim.ema()` or `optim.swa({ start })`, kept beside them and in checkpoints.
   * `evaluate` uses it once there is one, and with `ema` so does the validation in `fit`.
   */
  readonly average?: WeightAverage;
  /**
   * Augmentation of training images, in the step's own program. `fit` then takes only a Dataset of
   * images. Default: none.
   */
  readonly augment?: readonly Augmentation[];
  /**
   * A transform that all inputs go through before the model, such as `preprocess.zca()`. `fit` fits it to its
   * data before the first step, unless it is fitted already. Images enter it as pixels from 0 to 1. The model
   * keeps it, and is saved with it; a model that has one keeps its own. Default: images are normalized per
   * channel, features enter as they are.
   */
  readonly inputTransform?: InputTransform;
  /** The seed of initial weights, order, augmentation and dropout. Default 0. */
  readonly seed?: number;
  /**
   * 'bf16' stores activations and their gradients as bf16 and multiplies bf16 matrices; weights, their
   * gradients, statistics, sums and the optimizer stay f32. It is for processors with bf16 units (see
   * `tenon doctor`); on others it computes as 'fp32' does. Default 'fp32'.
   */
  readonly precision?: Precision;
  /**
   * Parts that each batch is computed in, one after the other: sizes differ by at most one sample, batch norm
   * normalizes each by itself, and the step goes by the mean over all samples. With the same `shards`, any
   * number of processes computes the same bits. Default: as the run that is resumed, else one for each rank
   * of the `world`.
   */
  readonly shards?: number;
  /**
   * Whether batch norm normalizes all shards of a batch as one, by the mean and the variance of the whole
   * batch. Shards then advance together, in the memory of all that a process has. Default: as the run that is
   * resumed, else false: each shard by itself.
   */
  readonly syncBatchNorm?: boolean;
  /**
   * The ranks that train together, as `distributed.join` makes it: each computes its shards of every
   * batch. All of them make the same trainer and call `fit` with the same data and options. Default:
   * this process alone.
   */
  readonly world?: World;
}

/** Options of `Trainer.evaluate`. */
export interface EvaluateOptions extends Omit<
  EvaluationOptions,
  'loss' | 'precision' | 'average' | 'random'
> {
  /** Default: `averaged` if the trainer has an average that has begun, else `trained`. */
  readonly weights?: 'averaged' | 'trained';
}

/** Options of `Trainer.updateBatchNorm`. */
export interface UpdateBatchNormOptions {
  /** Samples at once; statistics are means over batches. Default 128. */
  readonly batchSize?: number;
}

/** Who follows a run. */
interface Followed {
  readonly emit: (event: FitEvent) => void;
  /** Undefined where this process trains alone. */
  readonly ranks: Ranks | undefined;
}

const EVALUATE_KEYS = [
  ...['batchSize', 'signal', 'metrics', 'samples', 'seed', 'crops', 'scales', 'weights'],
];

const TRAINER_KEYS = [
  'loss',
  'regularizer',
  'optimizer',
  'schedule',
  'average',
  'augment',
  'inputTransform',
  'seed',
  'precision',
  'shards',
  'syncBatchNorm',
  'world',
] as const;

/**
 * Trains a model, and measures it: checks what it is given, prepares the data, runs compiled steps off the
 * event loop, reports each epoch, and saves and resumes to the bit.
 *
 * `const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) });`
 * `await trainer.fit(train, { epochs: 10, validation });`
 */
export class Trainer {
  /** What is trained. */
  readonly model: Module;
  /** What changes its weights. Its rate and the like may be changed between steps. */
  readonly optimizer: Optimizer;
  /** The average of the weights; undefined where the options have none. */
  readonly average: WeightAverage | undefined;
  /** The seed of initial weights, order, augmentation and dropout. */
  readonly seed: number;
  /** How activations are stored: 'fp32' or 'bf16'. */
  readonly precision: Precision;
  /** Parts that each batch is computed in; undefined where the options leave it to the run. */
  readonly shards: number | undefined;
  /** Whether batch norm sees all shards of a batch; undefined where the options leave it to the run. */
  readonly syncBatchNorm: boolean | undefined;
  /** The ranks that train together; undefined where this process trains alone. */
  readonly world: World | undefined;
  private readonly givenLoss: Loss;
  /** As `fit` settled it for its data, once it has. */
  private loss: Loss;
  private readonly regularizers: readonly Regularizer[];
  private readonly schedule: Schedule | undefined;
  private readonly augment: readonly Augmentation[];
  private readonly inputTransform: InputTransform | undefined;
  private readonly random: RandomState;
  private readonly clock: EpochClock = { epoch: 0 };
  private readonly epochScalar = runtimeScalar(() => this.clock.epoch);

  /**
   * @param model takes [N, C, H, W] for images; it may have weights already
   * @throws OptionError on an unknown key or a value of the wrong kind
   */
  constructor(model: Module, options: TrainerOptions) {
    checkKeys('Trainer', options, TRAINER_KEYS);
    checkLoss('Trainer', options?.loss);
    if (!(options.optimizer instanceof Optimizer))
      throw new OptionError(
        `Trainer: optimizer must be one such as optim.sgd({ lr: 0.1 }), got ${showMade(options.optimizer)}`,
      );
    if (options.schedule !== undefined) checkSchedule('Trainer', options.schedule);
    if (options.average !== undefined && !(options.average instanceof WeightAverage))
      throw new OptionError(
        `Trainer: average must be one such as optim.ema({ decay: 0.999 }), got ${showMade(options.average)}`,
      );
    this.regularizers = checkRegularizers(options.regularizer);
    this.model = model;
    this.average = options.average;
    this.givenLoss = options.loss;
    this.loss = options.loss;
    this.optimizer = options.optimizer;
    this.schedule = options.schedule;
    this.augment = checkAugmentations(options.augment ?? []);
    this.inputTransform = checkTransform(options.inputTransform);
    this.seed = nonNegativeInteger('Trainer', 'seed', options.seed ?? 0);
    this.precision = oneOf('Trainer', 'precision', options.precision ?? 'fp32', PRECISIONS);
    this.shards =
      options.shards === undefined ? undefined : positiveInteger('Trainer', 'shards', options.shards);
    this.syncBatchNorm = checkSyncBatchNorm(options.syncBatchNorm, model, this.shards);
    this.world = checkWorld(options.world, this.shards);
    this.random = new RandomState(this.seed);
  }

  /**
   * Trains on a Dataset, or on a stream of batches. Starts at once: await the result for the history, or
   * iterate it for events. A model without weights is initialized from the seed. The model keeps the
   * normalization, inputTransform and class names that it takes from the data.
   *
   * @param data images or features with their targets; or batches, whose inputs are f32 as the model takes
   *   them, and whose targets are i32 [B] class indices or f32 [B, ...]
   * @returns a promise of the history, one record for each epoch, and an iterable of the events
   * @throws OptionError and DataError at once; also BusyError, if a run under way trains the model or a
   *   part of it, or uses the same optimizer or average. The result rejects with what ends the run:
   *   AbortedError, NonFiniteError with the layer's name, FormatError for a corrupt image or checkpoint, or
   *   what a stream or a callback throws. The weights are then those after the last whole step. A label in a
   *   stream that no output stands for is found when its batch is computed; a step that is queued behind it
   *   still runs.
   */
  fit(data: Dataset | BatchStream, options: FitOptions): Fit {
    const checked = checkFitOptions(data, options);
    if (this.augment.length > 0 && !(data instanceof Dataset && data.kind === 'images'))
      throw new OptionError(
        'fit: augment is for a Dataset of images; a stream and features are used as they are',
      );
    // A run that is resumed may bring a lastBatch of its own.
    if (options.resume === undefined) settleBatches(checked, this, undefined);
    const loss = settledLoss(this.givenLoss, data);
    const release = this.hold(
      'fit',
      [this.optimizer, "the trainer's optimizer"],
      ...checked.metrics.map((metric, i): Holding => [metric, `metric ${i}`]),
      ...checked.callbacks.filter(isStateful).map((one): Holding => [one, `the callback ${one.name}`]),
    );
    const ranks = this.enterWorld(release);
    this.loss = loss;
    return new Fit(async (emit) => {
      try {
        return await this.run(data, options, checked, { emit, ranks });
      } catch (error) {
        await ranks?.fail(error);
        throw error;
      } finally {
        ranks?.release();
        release();
      }
    });
  }

  /**
   * Calls `evaluate(model, data, options)` with the trainer's loss and precision, and with the averaged
   * weights if there are any. May be called while the model is being trained, for example from a callback.
   * @throws as evaluate; OptionError if batch norm has no statistics yet for the averaged weights
   */
  async evaluate(data: Dataset | BatchStream, options: EvaluateOptions = {}): Promise<Evaluation> {
    checkKeys('evaluate', options, EVALUATE_KEYS);
    const { weights, ...rest } = options;
    const average = this.averageFor(weights);
    const { model, loss, precision, random, seed } = this;
    await model.ensureInitializedAsync({ seed });
    await settleTransform('evaluate', model, this.inputTransform);
    return evaluate(model, data, { ...rest, loss, precision, random, ...(average && { average }) });
  }

  /**
   * Computes batch norm's running statistics by a pass over `data` in training mode, for the averaged
   * weights if there are any, else for the model's own. This is the last step of stochastic weight
   * averaging (PyTorch's `update_bn`).
   * @throws OptionError; BusyError while the model or a part of it is being trained; DataError; FormatError
   *   for a corrupt image
   */
  async updateBatchNorm(data: Dataset, options: UpdateBatchNormOptions = {}): Promise<void> {
    checkKeys('updateBatchNorm', options, ['batchSize']);
    const batchSize = positiveInteger('updateBatchNorm', 'batchSize', options.batchSize ?? 128);
    requireSamples('updateBatchNorm', data);
    await this.holding('updateBatchNorm', async () => {
      const { model, precision, seed, average } = this;
      await model.ensureInitializedAsync({ seed });
      await settleTransform('updateBatchNorm', model, this.inputTransform);
      // Each batch counts as much as any other.
      const source = await plainSource(model, data, batchSize, 'even');
      const parts = { model, precision, source, random: new RandomState(seed) };
      await refreshStatistics(
        parts,
        source,
        average !== undefined && average.count > 0 ? average : undefined,
      );
    });
  }

  /**
   * Copies the averaged weights into the model, to save or serve them. @throws OptionError if there are
   * none yet; BusyError
   */
  async useAverage(): Promise<void> {
    const average = this.averagedWeights();
    await this.holding('useAverage', () => average.copyTo(this.model));
  }

  /**
   * Calls `model.predict` with the trainer's precision: N rows of class probabilities of N raw images (bytes,
   * H W C each) or inputs (floats, as the model takes them), or of a Dataset, off the event loop.
   * @throws as `model.predict`: OptionError, ShapeError, DTypeError; FormatError for a corrupt image
   */
  predict(inputs: Uint8Array | Float32Array | Dataset, options: PredictOptions = {}): Promise<Float32Array> {
    return this.model.predict(inputs, { precision: this.precision, ...options });
  }

  /** Keeps other runs from changing what this one changes, until the function that it returns is called. */
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

  /** The average that an evaluation uses, or undefined for the trained weights. */
  private averageFor(weights: unknown): WeightAverage | undefined {
    const begun = this.average !== undefined && this.average.count > 0;
    const chosen = oneOf('evaluate', 'weights', weights ?? (begun ? 'averaged' : 'trained'), [
      'averaged',
      'trained',
    ]);
    return chosen === 'trained' ? undefined : this.averagedWeights();
  }

  /** @throws OptionError if there are none, or if batch norm has no statistics for them */
  private averagedWeights(): WeightAverage {
    const { average } = this;
    if (average === undefined || average.count === 0)
      throw new OptionError('Trainer: there are no averaged weights yet');
    const stale = average.kind === 'swa' && average.statistics !== average.count;
    if (stale && statisticsLayers(this.model).length > 0)
      throw new OptionError(
        "Trainer: batch norm's statistics do not fit the averaged weights; call updateBatchNorm(data) first, or choose weights: 'trained'",
      );
    return average;
  }

  /** @throws BusyError, DisposedError; the model and what else is held is released then */
  private enterWorld(release: () => void): Ranks | undefined {
    const { world } = this;
    if (world === undefined) return undefined;
    try {
      return new Ranks(world.lend('fit'));
    } catch (error) {
      release();
      throw error;
    }
  }

  private prepared(): PreparedTrainer {
    const { model, optimizer, precision, average, random, augment, inputTransform, epochScalar } = this;
    const { seed, shards, syncBatchNorm, world } = this;
    return {
      ...{ model, optimizer, precision, average, random, augment, inputTransform },
      ...{ epoch: epochScalar, seed, shards, syncBatchNorm, world },
    };
  }

  private async run(
    data: Dataset | BatchStream,
    options: FitOptions,
    checked: CheckedFitOptions,
    { emit, ranks }: Followed,
  ): Promise<History> {
    let run: FitRun;
    try {
      if (checked.signal?.aborted === true && ranks === undefined)
        throw new AbortedError('fit: aborted before the first step', { cause: checked.signal.reason });
      const given = { trainer: this.prepared(), data, options, checked };
      const prepared = await (ranks === undefined ? prepareRun(given) : prepareTogether(given, ranks));
      run = await this.begin(data, checked, prepared, { emit, ranks });
    } catch (error) {
      await endAll(checked.callbacks).catch(() => undefined); // what ended the run is what the caller must see
      throw error;
    }
    return run.execute();
  }

  private async begin(
    data: Dataset | BatchStream,
    checked: CheckedFitOptions,
    { batches, ...prepared }: PreparedRun,
    { emit, ranks }: Followed,
  ): Promise<FitRun> {
    const { validation, metrics: running } = checked;
    const signal = ranks === undefined ? checked.signal : undefined;
    const held = validation && (await evaluationSource('fit: validation', this.model, validation));
    const { model, loss, regularizers, optimizer, schedule, average, random, precision, clock } = this;
    const measured = { model, loss, random, precision };
    const trained = {
      ...measured,
      loss: lossOfMixed(this.augment, loss),
      regularizers,
      optimizer,
      schedule,
      average,
      clock,
    };
    const parts = {
      ...trained,
      ...prepared,
      ranks,
      validate:
        held &&
        (() =>
          validate(
            { ...measured, source: held },
            { average, sampling: validation.sampling, metrics: running, signal, ranks },
          )),
      metrics: await figureNames({
        classes: !(data instanceof Dataset) || data.labelled,
        validation: validation && { classes: validation.data.labelled },
        metrics: running,
      }),
    };
    return new FitRun(parts, { ...checked, batches }, emit);
  }
}
