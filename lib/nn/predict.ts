/**
 * Outputs of a model for arrays of examples: normalization, batches, evaluation mode, programs of
 * their own queue.
 */
import { Dataset } from '../data/dataset';
import type { Preprocessing } from '../data/preprocessing';
import type { ChannelStatistics } from '../data/samples';
import { AbortedError, DataError, DTypeError, OptionError, ShapeError } from '../errors';
import { compile, type Compiled } from '../compile/compile';
import * as ops from '../ops';
import { checkKeys, checkSignal, oneOf, positiveInteger } from '../options';
import type { FittedTransform } from '../preprocess/fitted';
import { checkAttached, PRECISIONS, type Precision } from '../tensor/dtype';
import { checkShape, formatShape, numel, sameShape, type Shape } from '../tensor/shape';
import { runtimeScalar, tensor, Tensor } from '../tensor/tensor';
import { forwardThrough, type Forwarding } from './inputs';
import { inEvalMode, type Modal } from './mode';

/** What predictions need of a model. */
interface Predicting extends Forwarding, Modal {
  readonly preprocessing: Preprocessing | undefined;
  readonly training: boolean;
  namedModules(): ReadonlyMap<string, Predicting>;
  signature(): string;
  ensureInitialized(): unknown;
}

export interface PredictOptions {
  /**
   * Shape of one input, for arrays of floats. Default: that of the model's inputTransform, or [channels,
   * height, width] of its preprocessing.
   */
  readonly shape?: Shape;
  /**
   * Default: 'probabilities' (softmax) where the model returns [N, K] with K of 2 or more, else
   * what forward() returns.
   */
  readonly output?: 'probabilities' | 'logits';
  /** 'bf16' stores activations as bf16: faster where the processor has bf16 units. Default 'fp32'. */
  readonly precision?: Precision;
  /** Examples per program run; the result does not depend on it. Default 128. */
  readonly batchSize?: number;
  /**
   * Stops `predict` between two batches; it then rejects with an AbortedError whose cause is
   * the signal's reason.
   */
  readonly signal?: AbortSignal;
}

type OutputKind = 'probabilities' | 'logits' | 'default';
type Run = Compiled<[Tensor, OutputKind], Tensor>;

/** The arrays of one call, cut into batches. */
interface Job {
  readonly run: Run;
  readonly output: OutputKind;
  /** Promises where samples are decoded first. */
  readonly batches: Iterable<Tensor | Promise<Tensor>>;
}

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
  /** For images, with the settings that the programs hold. */
  private readonly images = new Map<Precision, { readonly run: Run; readonly key: string }>();
  private readonly floats = new Map<Precision, Run>();
  /** The inputTransform that the programs hold. */
  private transform: FittedTransform | undefined;
  /** Signature of the model when it last had all its values and was in evaluation mode throughout. */
  private settled = '';

  constructor(private readonly model: Predicting) {}

  async run(data: unknown, options: PredictOptions): Promise<Float32Array> {
    const { run, output, batches } = this.plan(data, options);
    const results: Float32Array[] = [];
    const inFlight: Promise<Tensor>[] = [];
    try {
      for (const next of batches) {
        requireWanted(options);
        // Not awaited if it is there already: an array is copied before `predict` returns, as far as the
        // first runs reach.
        const batch = next instanceof Tensor ? next : await decoded(next, options);
        // The modes are looked at while the run is being queued, not while it runs.
        const pending = this.evaluating(() => run(batch, output));
        // Seen below, once the one before it is done; a rejection that nobody waits for yet would
        // end the process.
        pending.catch(() => undefined);
        inFlight.push(pending);
        if (inFlight.length >= ahead) results.push(valuesOf(await inFlight.shift()!));
      }
      for (const pending of inFlight.splice(0)) results.push(valuesOf(await pending));
    } finally {
      await Promise.allSettled(inFlight);
      // Replaced meanwhile, and perhaps compiled anew since.
      if (!this.keeps(run)) run.dispose();
    }
    return join(results);
  }

  runSync(data: unknown, options: PredictOptions): Float32Array {
    const { run, output, batches } = this.plan(data, options);
    try {
      requireWanted(options);
      const outputOf = (batch: Tensor | Promise<Tensor>): Float32Array =>
        valuesOf(run.runSync(requireDecoded(batch), output));
      return join(this.evaluating(() => Array.from(batches, outputOf)));
    } finally {
      if (!this.keeps(run)) run.dispose();
    }
  }

  dispose(): void {
    for (const { run } of this.images.values()) run.dispose();
    for (const run of this.floats.values()) run.dispose();
    this.images.clear();
    this.floats.clear();
  }

  private keeps(run: Run): boolean {
    const images = [...this.images.values()].map((entry) => entry.run);
    return images.includes(run) || [...this.floats.values()].includes(run);
  }

  private plan(data: unknown, options: PredictOptions): Job {
    checkKeys('predict', options, ['shape', 'output', 'precision', 'batchSize', 'signal']);
    // Read only here: a transform that is set while a call is under way is for the next call.
    const transform = this.model.inputTransform;
    if (this.transform !== transform) this.dispose();
    this.transform = transform;
    const output = outputKind(options.output);
    checkSignal('predict', options.signal);
    const batchSize = positiveInteger('predict', 'batchSize', options.batchSize ?? 128);
    const precision = oneOf('predict', 'precision', options.precision ?? 'fp32', PRECISIONS);
    if (data instanceof Dataset) return { output, ...this.planDataset(data, options, precision, batchSize) };
    switch (tagOf(data)) {
      case 'Uint8Array':
      case 'Uint8ClampedArray': {
        const settings = this.imageSettings(options);
        const row = settings.height * settings.width * settings.channels;
        const batches = cut(data as Uint8Array, [row], batchSize);
        return { output, run: this.imageRun(settings, precision), batches };
      }
      case 'Float32Array': {
        const batches = cut(data as Float32Array, this.inputShape(options.shape), batchSize);
        return { output, run: this.floatRun(precision), batches };
      }
      default:
        throw new DTypeError(
          `predict: expected a Uint8Array of raw images, a Float32Array of inputs or a Dataset, got ${tagOf(data)}`,
        );
    }
  }

  /** The program is this call's own: it holds the samples of the data set. */
  private planDataset(
    dataset: Dataset,
    options: PredictOptions,
    precision: Precision,
    batchSize: number,
  ): Omit<Job, 'output'> {
    let normalization: ChannelStatistics = { mean: [], std: [] };
    if (dataset.kind === 'images') {
      const settings = this.imageSettings(options);
      const expected = [settings.channels, settings.height, settings.width];
      if (!sameShape(expected, dataset.inputShape))
        throw new ShapeError(
          `predict: the model takes images of ${formatShape(expected)}, the data set has ${formatShape(dataset.inputShape)}`,
        );
      normalization = settings;
    } else if (options.shape !== undefined)
      throw new OptionError('predict: shape is for arrays of floats; a data set has its own');
    const { mean, std } = normalization;
    const recipe = dataset.plainRecipe({ mean, std }, noEpoch);
    const run = this.compiled(precision, (index) => dataset.batch(index, recipe).inputs);
    return { run, batches: batchesOfDataset(dataset, batchSize, options.signal) };
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

  /**
   * Runs `fn` with values in the whole model and all of it in evaluation mode. Looks for what is missing only
   * when something in the model has changed since the last call: a service predicts one image at a time.
   */
  private evaluating<R>(fn: () => R): R {
    if (this.settled === this.model.signature()) return fn();
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
    return [settings.channels, settings.height, settings.width];
  }

  private imageRun(settings: Preprocessing, precision: Precision): Run {
    const key = JSON.stringify(settings);
    const known = this.images.get(precision);
    if (known?.key === key) return known.run;
    const { height, width, channels } = settings;
    const normalize = normalizer(settings);
    const run = this.compiled(precision, (rows) => normalize(ops.asImages(rows, [height, width, channels])));
    known?.run.dispose();
    this.images.set(precision, { run, key });
    return run;
  }

  private floatRun(precision: Precision): Run {
    const known = this.floats.get(precision);
    if (known !== undefined) return known;
    const run = this.compiled(precision, (x) => x);
    this.floats.set(precision, run);
    return run;
  }

  private compiled(precision: Precision, inputsOf: (batch: Tensor) => Tensor): Run {
    const { model, transform } = this;
    const fn = (batch: Tensor, output: OutputKind): Tensor =>
      finish(forwardThrough(transform, model, inputsOf(batch)), output);
    return compile(fn, { queue: 'predict', cacheSize: programsKept, precision });
  }
}

const noEpoch = runtimeScalar(() => 0);

/** Raw images u8 [N, C, H, W] to inputs. */
function normalizer({ height, width, mean, std }: Preprocessing): (images: Tensor) => Tensor {
  return (images) => {
    const every = tensor(Int32Array.from({ length: images.shape[0]! }, (_, i) => i));
    const size = [height, width] as const;
    return ops.imageBatch(images, every, tensor(mean), tensor(std), noEpoch, {
      seed: 0,
      flip: 0,
      padding: 0,
      size,
    });
  };
}

function outputKind(value: PredictOptions['output']): OutputKind {
  return value === undefined
    ? 'default'
    : oneOf('predict', 'output', value, ['probabilities', 'logits'] as const);
}

function finish(outputs: Tensor, kind: OutputKind): Tensor {
  const classifier = outputs.rank === 2 && outputs.shape[1]! >= 2;
  if (kind === 'probabilities' && !classifier) {
    throw new ShapeError(
      `predict: probabilities need outputs [N, K] with K of 2 or more, the model returns ${formatShape(outputs.shape)}`,
    );
  }
  return kind !== 'logits' && classifier ? ops.softmax(outputs) : outputs;
}

/**
 * Batches of at most `batchSize` rows of `shape`, copied as they are asked for. @throws ShapeError at once
 */
function cut(data: Uint8Array | Float32Array, shape: Shape, batchSize: number): Iterable<Tensor> {
  checkAttached('predict', data);
  const row = numel(shape);
  const rows = row === 0 ? 0 : data.length / row;
  if (rows === 0 || !Number.isInteger(rows)) {
    throw new ShapeError(
      `predict: expected a multiple of ${row} values (${formatShape(shape)} each), got ${data.length}`,
    );
  }
  return batchesOf(data, shape, rows, batchSize);
}

function* batchesOf(
  data: Uint8Array | Float32Array,
  shape: Shape,
  rows: number,
  batchSize: number,
): Iterable<Tensor> {
  const row = numel(shape);
  const { length } = data;
  for (let from = 0; from < rows; from += batchSize) {
    if (data.length !== length) throw new DataError('predict: the array was detached or resized meanwhile');
    const to = Math.min(rows, from + batchSize);
    yield tensor(data.subarray(from * row, to * row), [to - from, ...shape]);
  }
}

/** Rows of a data set, each batch a promise where it has images to decode. */
function* batchesOfDataset(
  dataset: Dataset,
  batchSize: number,
  signal: AbortSignal | undefined,
): Iterable<Tensor | Promise<Tensor>> {
  for (let from = 0; from < dataset.length; from += batchSize) {
    const length = Math.min(batchSize, dataset.length - from);
    const positions = Int32Array.from({ length }, (_, i) => from + i);
    const rows = tensor(dataset.rowsAt(positions));
    const decoding = dataset.ensure(positions, signal);
    const ready = decoding?.then(() => rows);
    // Whoever takes this batch sees the failure; if nobody wants it any more, nobody needs to.
    ready?.catch(() => undefined);
    yield ready ?? rows;
  }
}

/** @throws DataError */
function requireDecoded(batch: Tensor | Promise<Tensor>): Tensor {
  if (batch instanceof Tensor) return batch;
  throw new DataError('predictSync: images of this data set are not decoded yet; await predict instead');
}

function valuesOf(outputs: Tensor): Float32Array {
  const source = outputs.source;
  if (source.kind !== 'host') throw new ShapeError('predict: internal error, the output has no values');
  return tagOf(source.array) === 'Float32Array'
    ? (source.array as Float32Array)
    : Float32Array.from(source.array);
}

function join(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
