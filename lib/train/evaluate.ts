/** Evaluation: mean loss, accuracy and metrics of a model on data. */
import { Dataset } from '../data/dataset';
import { viewsOf, type View, type ViewOptions } from '../data/views';
import { AbortedError, DataError, OptionError } from '../errors';
import type { Loss } from '../losses';
import { Running } from '../metrics';
import { hold, type Holding } from '../nn/holds';
import { Module } from '../nn/module';
import { samplingOf, type Sampling, type SamplingOptions } from '../nn/sampling';
import { WeightAverage } from '../optim/average';
import { checkKeys, checkSignal, clipList, oneOf, positiveInteger, showMade } from '../options';
import { defaultRandom, RandomState } from '../random';
import { PRECISIONS, type Precision } from '../tensor/dtype';
import { abortable, whileNotAborted } from './abort';
import {
  requireSamples,
  StreamSource,
  type BatchSource,
  type BatchStream,
  type EpochBatches,
} from './batch-source';
import { checkLoss } from './checks';
import { plainSource } from './inputs';
import { AveragedEvalStep } from './averaged-step';
import type { Ranks } from './ranks';
import { EvalStep, type StepParts } from './steps';
import { viewSource, ViewSource } from './view-source';
import type { Evaluation } from './totals';

/**
 * Options of `evaluate`. With `samples` it evaluates the mean over passes with noise, and with `crops` or
 * `scales` that over views of each image: of probabilities where the loss takes logits (`Loss.logits`), which
 * become logits again for it, else of what the model returns.
 */
export interface EvaluationOptions extends SamplingOptions, ViewOptions {
  readonly loss: Loss;
  /**
   * Reset, then updated with each batch: read their values afterwards. Made by
   * `metrics.running`. Default none.
   */
  readonly metrics?: readonly Running<unknown>[];
  /**
   * Samples at once. Default 128. Does not change the result, except for a loss that is a sum over a batch:
   * then the mean over batches is returned.
   */
  readonly batchSize?: number;
  /** 'bf16' stores activations as bf16. Default 'fp32'. */
  readonly precision?: Precision;
  /** The model computes with these averaged weights. Default: with its own. */
  readonly average?: WeightAverage;
  /**
   * For a model that draws random numbers in evaluation mode, too. Default: the state that `compile`
   * uses by default.
   */
  readonly random?: RandomState;
  readonly signal?: AbortSignal;
}

const KEYS = [
  ...['loss', 'metrics', 'batchSize', 'precision', 'average', 'random', 'signal'],
  ...['samples', 'seed', 'crops', 'scales'],
];

/**
 * Mean loss and accuracy of a model in evaluation mode, over a Dataset or a stream of batches: one call into
 * the addon a batch, off the event loop. Images are normalized as the model's `preprocessing` says, else by
 * their own statistics. A model without weights is initialized with seed 0.
 *
 * `const { loss, accuracy } = await evaluate(model, test, { loss: losses.crossEntropy() })`
 *
 * @throws OptionError; DataError where there is no sample, or a label that no output stands for; FormatError
 *   for a corrupt image; BusyError where another evaluation uses one of the metrics; AbortedError
 */
export async function evaluate(
  model: Module,
  data: Dataset | BatchStream,
  options: EvaluationOptions,
): Promise<Evaluation> {
  const { batchSize, ...checked } = checkOptions(model, options);
  if (data instanceof Dataset) requireSamples('evaluate', data);
  await model.ensureInitializedAsync();
  const source =
    data instanceof Dataset
      ? await evaluationSource('evaluate', model, { data, batchSize, views: checked.views })
      : streamSource(data, checked.views);
  const release = hold(
    'evaluate',
    checked.metrics.map((metric, i): Holding => [metric, `metric ${i}`]),
  );
  try {
    return await evaluateSource({ model, source, ...checked }, checked);
  } finally {
    release();
  }
}

/** A data set that is evaluated, and the views of its images; undefined where each is seen once, as it is. */
export interface EvaluatedSet {
  readonly data: Dataset;
  readonly batchSize: number;
  readonly views: readonly View[] | undefined;
}

/** Its batches. @throws as `viewSource` */
export function evaluationSource(
  where: string,
  model: Module,
  { data, batchSize, views }: EvaluatedSet,
): Promise<BatchSource> {
  if (views === undefined) return plainSource(model, data, batchSize);
  return viewSource(where, model, { data, batchSize, views });
}

function streamSource(data: BatchStream, views: readonly View[] | undefined): BatchSource {
  if (views === undefined) return new StreamSource(data);
  throw new OptionError('evaluate: crops and scales are for the images of a Dataset');
}

type Optional = 'average' | 'signal' | 'samples' | 'seed' | 'crops' | 'scales';
type Checked = Required<Omit<EvaluationOptions, Optional>> &
  Pick<EvaluateSourceOptions, 'average' | 'signal' | 'sampling'> & {
    readonly views: readonly View[] | undefined;
  };

function checkOptions(model: unknown, options: EvaluationOptions): Checked {
  if (!(model instanceof Module))
    throw new OptionError(`evaluate: the model must be a Module, got ${showMade(model)}`);
  if (options === undefined) throw new OptionError('evaluate: options are missing; at least { loss }');
  checkKeys('evaluate', options, KEYS);
  const { average, random = defaultRandom, metrics = [] } = options;
  if (average !== undefined && !(average instanceof WeightAverage))
    throw new OptionError(`evaluate: average must be one such as optim.ema(), got ${showMade(average)}`);
  if (!(random instanceof RandomState))
    throw new OptionError(`evaluate: random must be a RandomState, got ${showMade(random)}`);
  checkMetrics('evaluate', metrics);
  checkLoss('evaluate', options.loss);
  return {
    loss: options.loss,
    metrics,
    batchSize: positiveInteger('evaluate', 'batchSize', options.batchSize ?? 128),
    precision: oneOf('evaluate', 'precision', options.precision ?? 'fp32', PRECISIONS),
    average,
    random,
    sampling: samplingOf('evaluate', options),
    views: viewsOf('evaluate', options),
    signal: checkSignal('evaluate', options.signal),
  };
}

/** @throws OptionError unless it is a list of running metrics */
export function checkMetrics(where: string, metrics: unknown): void {
  if (Array.isArray(metrics) && metrics.every((metric) => metric instanceof Running)) return;
  throw new OptionError(
    `${where}: metrics must be a list of what metrics.running() makes, got ${Array.isArray(metrics) ? clipList(metrics.map(showMade)) : showMade(metrics)}`,
  );
}

export interface EvaluateSourceOptions {
  /** The model computes with the averaged weights. */
  readonly average?: WeightAverage | undefined;
  /** Absent for one pass without noise. */
  readonly sampling?: Sampling | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Reset first, then updated with each batch. */
  readonly metrics?: readonly Running<unknown>[] | undefined;
  /**
   * Share the batches out, where no figure but loss and accuracy is measured, of one pass over each image as
   * it is. Else each evaluates all. The result is that of one process.
   */
  readonly ranks?: Ranks | undefined;
}

/**
 * As `evaluate`, over batches that are prepared already.
 * @throws AbortedError, DataError for no batches, what reading the data throws
 */
export async function evaluateSource(
  parts: StepParts,
  { average, sampling, signal, metrics = [], ranks }: EvaluateSourceOptions,
): Promise<Evaluation> {
  const views = parts.source instanceof ViewSource ? parts.source.views : [[]];
  const step =
    sampling === undefined && views.length === 1 && views[0]!.length === 0
      ? new EvalStep(parts, metrics, average)
      : new AveragedEvalStep(parts, { sampling, views }, metrics, average);
  const { random } = parts;
  const { batchesPerEpoch: count } = parts.source;
  const sharing = step instanceof EvalStep && metrics.length === 0 && count !== undefined ? ranks : undefined;
  const [begin, end] = sharing === undefined ? [0, count] : shareOf(count!, sharing);
  const drawn = random.step;
  let last: Promise<void> | undefined;
  let batches: EpochBatches | undefined;
  const run = async (): Promise<void> => {
    await Promise.all(metrics.map((metric) => metric.reset()));
    random.step += begin;
    batches = await parts.source.open(0, begin, end);
    for (;;) {
      const batch = signal?.aborted === true ? undefined : await abortable(batches.next(), signal);
      if (batch === undefined) break;
      if (step instanceof EvalStep) await step.prepare(batch);
      const queued = step.queue(batch);
      queued.catch(() => undefined); // seen below, when the batch after it is in the queue
      await last;
      last = queued;
    }
    signal?.throwIfAborted();
    if (last === undefined && sharing === undefined) throw new DataError('evaluate: there are no batches');
    await last;
  };
  const pass = async (): Promise<Evaluation> => {
    await (ranks === undefined ? run() : ranks.together('fit: validation', run));
    if (sharing !== undefined) await settleDraws(random, { drawn, begin, count: count! }, sharing);
    return step.averages(sharing);
  };
  try {
    return await whileNotAborted(signal, () => step.cancel(), pass);
  } catch (error) {
    throw signal?.aborted === true ? new AbortedError('evaluate: aborted', { cause: signal.reason }) : error;
  } finally {
    batches?.close().catch(() => undefined); // not awaited, as in fit
    await last?.catch(() => undefined);
    step.dispose();
  }
}

/** The batches [begin, end) of so many that a rank evaluates. */
function shareOf(count: number, { rank, size }: Ranks): [begin: number, end: number] {
  const begin = (r: number): number => Math.floor((r * count) / size);
  return [begin(rank), begin(rank + 1)];
}

/** Counts the draws of all batches, as one process would: each that drew has drawn once. */
async function settleDraws(
  random: RandomState,
  { drawn, begin, count }: { readonly drawn: number; readonly begin: number; readonly count: number },
  ranks: Ranks,
): Promise<void> {
  const draws = await ranks.gather(random.step > drawn + begin);
  random.step = drawn + (draws.includes(true) ? count : 0);
}
