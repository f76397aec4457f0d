/**
 * Outputs of a model for arrays of examples: normalization, batches, evaluation mode, programs of
 * their own queue.
 */
import { Dataset } from '../data/dataset';
import { checkDatasetViews, viewBatch } from '../data/dataset-views';
import { windowOf, type Preprocessing } from '../data/preprocessing';
import type { Normalization } from '../data/samples';
import { centreOf, normalized, recordView, uniformTable } from '../data/stored-images';
import { checkViews, viewsOf, viewTensor, type View, type ViewOptions } from '../data/views';
import { AbortedError, DTypeError, OptionError, ShapeError } from '../errors';
import { compile, type Compiled } from '../compile/compile';
import * as ops from '../ops';
import { pair } from '../ops/checks';
import { checkKeys, checkSignal, oneOf, positiveInteger, show } from '../options';
import type { FittedTransform } from '../preprocess/fitted';
import { PRECISIONS, type Precision } from '../tensor/dtype';
import { checkShape, formatShape, sameShape, type Shape } from '../tensor/shape';
import { borrowed, tensor, Tensor } from '../tensor/tensor';
import { forwardThrough, type Forwarding } from './inputs';
import { inEvalMode, type Modal } from './mode';
import { batchesOfDataset, cut, Outputs, requireDecoded, type Take } from './predict-batches';
import { samplingOf, type Sampling, type SamplingOptions } from './sampling';

/** What predictions need of a model. */
interface Predicting extends Forwarding, Modal {
  readonly preprocessing: Preprocessing | undefined;
  readonly training: boolean;
  namedModules(): ReadonlyMap<string, Predicting>;
  signature(): string;
  unchanged<R>(fn: () => R): R;
  ensureInitialized(): unknown;
}

/** Raw images, inputs, or the samples of a data set. */
export type PredictInputs = Uint8Array | Float32Array | Dataset;

/** Options of `Module.predict`. */
export interface PredictOptions extends ViewOptions, SamplingOptions {
  /**
   * Shape of one input, for arrays of floats. Default: that of the model's inputTransform, or [channels,
   * height, width] of its preprocessing, and of its crop where it has one.
   */
  readonly shape?: Shape;
  /**
   * With `crops` or `scales`: height and width of raw images, or one number for both. Default: those of
   * the model's preprocessing.
   */
  readonly imageSize?: number | readonly [height: number, width: number];
  /**
   * 'probabilities': softmax, the default where the model returns [N, K] with K of 2 or more. 'sigmoid':
   * probabilities of independent classes. 'logits': what forward() returns, the default otherwise. With
   * `samples`, `crops` or `scales`, these are averaged.
   */
  readonly output?: 'probabilities' | 'sigmoid' | 'logits';
  /** 'bf16' stores activations as bf16: faster where the processor has bf16 units. Default 'fp32'. */
  readonly precision?: Precision;
  /**
   * Examples per program run. Default 128. Convolutions choose their algorithm by it, so it may change the
   * last bits of results.
   */
  readonly batchSize?: number;
  /**
   * Stops `predict` between two batches; it then rejects with an AbortedError whose cause is
   * the signal's reason.
   */
  readonly signal?: AbortSignal;
}

const KEYS = [
  ...['shape', 'imageSize', 'output', 'precision', 'batchSize', 'signal'],
  ...['crops', 'scales', 'samples', 'seed'],
];

type OutputKind = 'probabilities' | 'sigmoid' | 'logits' | 'default';
/** Takes a batch, and a view of it where there are several. */
type Run = Compiled<[Tensor, OutputKind, ...Tensor[]], Tensor>;

type InputsOf = (batch: Tensor, view?: Tensor) => Tensor;

/** The arrays of one call, cut into batches. */
interface Job {
  readonly run: Run;
  readonly output: OutputKind;
  /** Promises where samples are decoded first. */
  readonly batches: Iterable<Tensor | Promise<Tensor>>;
  /** What `run` takes behind the batch, once for each view whose outputs are averaged. */
  readonly views: readonly (readonly Tensor[])[];
  /** Absent for one pass without noise. */
  readonly sampling: Sampling | undefined;
}

/** What a call asks for, checked. */
interface Asked {
  readonly options: PredictOptions;
  readonly precision: Precision;
  readonly batchSize: number;
  readonly views: readonly View[] | undefined;
  readonly sampling: Sampling | undefined;
}

/** A program that later calls use, too. */
interface Kept {
  readonly run: Run;
  readonly sampling: Sampling | undefined;
  readonly key: string;
}

/** Where inputs are seen once, as they are. */
const ONCE = [[]] as const;

/** Runs in flight at once: one computes while the next is being copied in. */
const ahead = 2;
const programsKept = 16;

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** @throws AbortedError once the signal has fired */
function requireWanted({ signal }: PredictOptions): void {
  if (signal?.aborted === true) throw new AbortedError('predict: aborted', { cause: signal.reason });
}

/** The result of decoding; once the signal has fired, an AbortedError of `predict`. */
function decoded(batch: Promise<Tensor>, options: PredictOptions): Promise<Tensor> {
  return batch.catch((error: unknown) => {
    requireWanted(options);
    throw error;
  });
}

export class Predictor {
  /** By what they take, with the settings that they hold. */
  private readonly programs = new Map<string, Kept>();
  /** The inputTransform that the programs hold. */
  private transform: FittedTransform | undefined;
  /** Signature of the model when it last had all its values and was in evaluation mode throughout. */
  private settled = '';

  constructor(private readonly model: Predicting) {}

  async run(data: unknown, options: PredictOptions): Promise<Float32Array> {
    const { batches, ...job } = this.plan(data, options);
    const { run } = job;
    const outputs = new Outputs(passesOf(job));
    let first = 0;
    const inFlight: Promise<Tensor>[] = [];
    try {
      for (const next of batches) {
        requireWanted(options);
        // Not awaited if it is there already: an array is copied before `predict` returns, as far as the
        // first runs reach.
        const batch = next instanceof Tensor ? next : await decoded(next, options);
        for (let pass = 0; pass < passesOf(job); pass++) {
          requireWanted(options);
          // The modes are looked at while the run is being queued, not while it runs.
          const pending = this.queued(job, first, pass, (...args) => run(batch, ...args));
          // Seen below, once the one before it is done; a rejection that nobody waits for yet would
          // end the process.
          pending.catch(() => undefined);
          inFlight.push(pending);
          if (inFlight.length >= ahead) outputs.add(await inFlight.shift()!);
        }
        first += batch.shape[0]!;
      }
      for (const pending of inFlight.splice(0)) outputs.add(await pending);
    } finally {
      await Promise.allSettled(inFlight);
      // Replaced meanwhile, and perhaps compiled anew since.
      if (!this.keeps(run)) run.dispose();
    }
    return outputs.joined();
  }

  runSync(data: unknown, options: PredictOptions): Float32Array {
    const { batches, ...job } = this.plan(data, options);
    const { run } = job;
    const outputs = new Outputs(passesOf(job));
    let first = 0;
    try {
      requireWanted(options);
      for (const next of batches) {
        const batch = requireDecoded(next);
        for (let pass = 0; pass < passesOf(job); pass++)
          outputs.add(this.queued(job, first, pass, (...args) => run.runSync(batch, ...args)));
        first += batch.shape[0]!;
      }
      return outputs.joined();
    } finally {
      if (!this.keeps(run)) run.dispose();
    }
  }

  dispose(): void {
    for (const { run } of this.programs.values()) run.dispose();
    this.programs.clear();
  }

  private keeps(run: Run): boolean {
    return [...this.programs.values()].some((kept) => kept.run === run);
  }

  private plan(data: unknown, options: PredictOptions): Job {
    checkKeys('predict', options, KEYS);
    // Read only here: a transform that is set while a call is under way is for the next call.
    const transform = this.model.inputTransform;
    if (this.transform !== transform) this.dispose();
    this.transform = transform;
    const output = outputKind(options.output);
    checkSignal('predict', options.signal);
    const batchSize = positiveInteger('predict', 'batchSize', options.batchSize ?? 128);
    const precision = oneOf('predict', 'precision', options.precision ?? 'fp32', PRECISIONS);
    const views = viewsOf('predict', options);
    const sampling = samplingOf('predict', options);
    const asked: Asked = { options, precision, batchSize, views, sampling };
    if (data instanceof Dataset) return { output, ...this.planDataset(data, asked) };
    switch (tagOf(data)) {
      case 'Uint8Array':
      case 'Uint8ClampedArray':
        return { output, ...this.planImages(data as Uint8Array, asked) };
      case 'Float32Array': {
        if (views !== undefined || options.imageSize !== undefined) throw notForFloats();
        const batches = cut(data as Float32Array, this.inputShape(options.shape), batchSize, takes(asked));
        return { output, ...this.kept('floats', null, asked, (x) => x), batches, views: ONCE };
      }
      default:
        throw new DTypeError(
          `predict: expected a Uint8Array of raw images, a Float32Array of inputs or a Dataset, got ${show(data)}`,
        );
    }
  }

  /** Raw images. */
  private planImages(data: Uint8Array, asked: Asked): Omit<Job, 'output'> {
    const { options, batchSize, views } = asked;
    const settings = this.imageSettings(options);
    const { height, width, channels } = settings;
    if (views === undefined) {
      if (options.imageSize !== undefined)
        throw new OptionError(
          'predict: imageSize is for crops and scales; other raw images have the size in model.preprocessing',
        );
      const batches = cut(data, [height * width * channels], batchSize, takes(asked));
      return { ...this.imageRun(settings, asked), batches, views: ONCE };
    }
    const size = pair('predict', 'imageSize', options.imageSize ?? [height, width], 1);
    checkViews('predict', views, windowOf(settings), size, () => 'the images');
    const batches = cut(data, [size[0] * size[1] * channels], batchSize, takes(asked));
    return { ...this.viewRun(settings, size, asked), batches, views: operandsOf(views) };
  }

  /** The program is this call's own: it holds the samples of the data set. */
  private planDataset(dataset: Dataset, asked: Asked): Omit<Job, 'output'> {
    const { options, batchSize, views, sampling } = asked;
    if (options.imageSize !== undefined)
      throw new OptionError('predict: imageSize is for raw images; those of a data set have their own');
    if (dataset.kind !== 'images') {
      if (views !== undefined) throw notForFloats();
      if (options.shape !== undefined)
        throw new OptionError('predict: shape is for arrays of floats; a data set has its own');
    }
    const batches = batchesOfDataset(dataset, batchSize, options.signal);
    if (views !== undefined) {
      const settings = this.imageSettings(options);
      checkDatasetViews('predict', dataset.part, views, settings);
      const { mean, std } = settings;
      const recipe = { mean, std, size: windowOf(settings) };
      const run = this.compiled(asked, (index, view) => viewBatch(dataset.part, index, view!, recipe).inputs);
      return { run, batches, views: operandsOf(views), sampling };
    }
    const recipe = dataset.plainRecipe(this.normalizationOf(dataset, options));
    const run = this.compiled(asked, (index) => dataset.batch({ index }, recipe).inputs);
    return { run, batches, views: ONCE, sampling };
  }

  /** How the samples of a data set that are seen once are normalized. @throws ShapeError */
  private normalizationOf(dataset: Dataset, options: PredictOptions): Normalization {
    if (dataset.kind !== 'images') return { mean: [], std: [] };
    const { channels, height, width, mean, std, crop } = this.imageSettings(options);
    const expected = [channels, height, width];
    if (!sameShape(expected, dataset.inputShape))
      throw new ShapeError(
        `predict: the model takes images of ${formatShape(expected)}, the data set has ${formatShape(dataset.inputShape)}`,
      );
    return { mean, std, crop };
  }

  private imageSettings(options: PredictOptions): Preprocessing {
    const settings = this.model.preprocessing;
    if (settings === undefined) {
      throw new OptionError(
        'predict: raw images need model.preprocessing (height, width, channels, mean, std); give a Float32Array otherwise',
      );
    }
    if (options.shape !== undefined)
      throw new OptionError('predict: shape is for floats; raw images have the size in model.preprocessing');
    return settings;
  }

  /** Queues a pass over a batch, behind `first` examples, by `fn`; views come with all their samples. */
  private queued<R>(
    { output, views, sampling }: Omit<Job, 'batches'>,
    first: number,
    pass: number,
    fn: (output: OutputKind, ...view: readonly Tensor[]) => R,
  ): R {
    const view = views[Math.floor(pass / (sampling?.samples ?? 1))] ?? [];
    if (sampling === undefined) return this.evaluating(() => fn(output, ...view));
    this.model.ensureInitialized();
    return sampling.pass(this.model, first, pass, () => fn(output, ...view));
  }

  /**
   * Runs `fn` with values in the whole model and all of it in evaluation mode. Looks for what is missing only
   * when something in the model has changed since the last call: a service predicts one image at a time.
   */
  private evaluating<R>(fn: () => R): R {
    if (this.settled === this.model.signature()) return this.model.unchanged(fn);
    this.model.ensureInitialized();
    const training = [...this.model.namedModules().values()].some((module) => module.training);
    this.settled = training ? '' : this.model.signature();
    return training ? inEvalMode(this.model, fn) : fn();
  }

  private inputShape(shape: Shape | undefined): Shape {
    const settings = this.model.preprocessing;
    if (shape !== undefined) {
      if (!Array.isArray(shape)) throw new OptionError('predict: shape must be an array of dimensions');
      checkShape('predict', shape as Shape);
      return shape as Shape;
    }
    if (this.model.inputTransform !== undefined) return this.model.inputTransform.inputShape;
    if (settings === undefined)
      throw new OptionError(
        'predict: give the shape of one input as { shape: [...] }, or set model.preprocessing',
      );
    return [settings.channels, ...windowOf(settings)];
  }

  private imageRun(settings: Preprocessing, asked: Asked): Kept {
    const { height, width, channels } = settings;
    return this.kept('images', settings, asked, (rows) =>
      centreOf(normalized(ops.asImages(rows, [height, width, channels]), settings), windowOf(settings)),
    );
  }

  /** Raw images of any size, whose windows the model sees. */
  private viewRun(settings: Preprocessing, size: readonly [number, number], asked: Asked): Kept {
    const { channels, mean, std } = settings;
    const recipe = { mean, std, size: windowOf(settings) };
    return this.kept('views', [settings, size], asked, (data, view) => {
      const count = data.shape[0]!;
      const index = tensor(Int32Array.from({ length: count }, (_, i) => i));
      const table = uniformTable(count, size, channels);
      return recordView({ data, table, largest: size, channels }, index, view!, recipe);
    });
  }

  /** The program of a kind, made anew where its settings or the seed have changed. */
  private kept(kind: string, settings: unknown, asked: Asked, inputsOf: InputsOf): Kept {
    const { precision, sampling } = asked;
    const place = `${kind} ${precision}${sampling === undefined ? '' : ' sampled'}`;
    const key = JSON.stringify([settings, sampling?.seed]);
    const known = this.programs.get(place);
    // The random state is the program's; how many samples there are is the call's.
    if (known?.key === key) return { ...known, sampling: sampling && known.sampling?.of(sampling.samples) };
    const made = { run: this.compiled(asked, inputsOf), sampling, key };
    known?.run.dispose();
    this.programs.set(place, made);
    return made;
  }

  private compiled({ precision, sampling }: Asked, inputsOf: InputsOf): Run {
    const { model, transform } = this;
    const fn = (batch: Tensor, output: OutputKind, view?: Tensor): Tensor => {
      sampling?.record(batch.shape[0]!);
      return finish(forwardThrough(transform, model, inputsOf(batch, view)), output);
    };
    const random = sampling && { random: sampling.random };
    return compile(fn, { queue: 'predict', cacheSize: programsKept, precision, ...random });
  }
}

/** How often a batch is run: its outputs are averaged. */
function passesOf({ views, sampling }: Omit<Job, 'batches'>): number {
  return views.length * (sampling?.samples ?? 1);
}

/**
 * How batches of arrays are made. One that is queued once is queued before the caller can write to the array
 * again; later passes come when it may have changed.
 */
function takes({ views, sampling }: Asked): Take {
  return views === undefined && sampling === undefined ? borrowed : tensor;
}

function operandsOf(views: readonly View[]): Tensor[][] {
  return views.map((view) => [viewTensor(view)]);
}

function notForFloats(): OptionError {
  return new OptionError('predict: crops, scales and imageSize are for images of bytes');
}

function outputKind(value: PredictOptions['output']): OutputKind {
  return value === undefined
    ? 'default'
    : oneOf('predict', 'output', value, ['probabilities', 'sigmoid', 'logits'] as const);
}

function finish(outputs: Tensor, kind: OutputKind): Tensor {
  const classifier = outputs.rank === 2 && outputs.shape[1]! >= 2;
  if (kind === 'probabilities' && !classifier) {
    throw new ShapeError(
      `predict: probabilities need outputs [N, K] with K of 2 or more, the model returns ${formatShape(outputs.shape)}`,
    );
  }
  if (kind === 'sigmoid') return ops.sigmoid(outputs);
  return kind !== 'logits' && classifier ? ops.softmax(outputs) : outputs;
}
