/**
 * What goes on inside a model: moments, histograms, saturated and dead units, of activations and
 * of their gradients.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { OptionError } from '../../errors';
import { compile } from '../../compile/compile';
import { grad } from '../../compile/grad';
import { reachableNodes } from '../../compile/ir';
import { nodeOf } from '../../graph/op';
import { withoutAssignments } from '../../graph/trace';
import * as ops from '../../ops';
import { bool, checkKeys, finite, positiveInteger, show } from '../../options';
import { RandomState } from '../../random';
import type { Shape } from '../../tensor/shape';
import type { Tensor } from '../../tensor/tensor';
import { NamedSequential } from '../layers/named-sequential';
import { Sequential } from '../layers/sequential';
import { inEvalMode, inTrainingMode } from '../mode';
import { Module } from '../module';
import { recordOutputs, type Observed } from '../observe';

// Held here because in a vm context (jest) every look-up of a global is some hundred times slower
// than the arithmetic.
const { abs, floor, max, min, sqrt } = Math;

export interface ActivationStatisticsOptions {
  /**
   * The loss whose gradients are shown, from what forward() returns. Default: the outputs, weighted with
   * fixed random normal numbers, summed and divided by the batch.
   */
  readonly loss?: (output: Tensor) => Tensor;
  /** Whether to look at gradients. Default true. */
  readonly gradients?: boolean;
  /** Bars of the histograms. Default 50. */
  readonly bins?: number;
  /** The ends of the histograms. Default: the least and the greatest value of each layer. */
  readonly range?: readonly [number, number];
  /**
   * Whether layers run in evaluation mode: nothing dropped, batch norm by running statistics. Default false:
   * as in training.
   */
  readonly evaluation?: boolean;
}

/** How many values lie in each of several ranges. */
export interface Histogram {
  readonly low: number;
  readonly high: number;
  /** Values per bar, of equal widths from low to high; values outside are not counted. */
  readonly counts: readonly number[];
}

/**
 * How the elements of one tensor are distributed. Moments and histogram leave out elements that are not
 * finite; the moments are NaN if none is.
 */
export interface Distribution {
  readonly mean: number;
  /** Standard deviation, biased. */
  readonly std: number;
  readonly min: number;
  readonly max: number;
  /** Share of exact zeros. */
  readonly zeros: number;
  /** How many values are NaN or infinite. */
  readonly nonFinite: number;
  readonly histogram: Histogram;
}

/** What one layer returned for a batch, and the gradient there. */
export interface LayerStatistics {
  /** Place in the model: `features.0`; '' for a model that is one layer. */
  readonly path: string;
  /** Class of the layer. */
  readonly type: string;
  readonly shape: Shape;
  readonly activation: Distribution;
  /** The gradient of the loss by this layer's output; absent where the loss does not depend on it. */
  readonly gradient?: Distribution;
  /** After tanh or sigmoid: share of outputs within 1 % of the range's ends, where the slope is nearly 0. */
  readonly saturated?: number;
  /** After relu or relu6: share of units that are 0 for every example of the batch. */
  readonly dead?: number;
}

/** `String(statistics)` is a table. */
export interface ActivationStatistics {
  /** In the order in which forward() ends; containers are left out. */
  readonly layers: readonly LayerStatistics[];
  /** A table for a terminal. */
  toString(): string;
}

/**
 * Runs a batch through any model and reports what each layer returned, and what gradient came back to it.
 * Changes nothing: no parameter, and no running statistic.
 * @param batch what forward() takes; all activations are copied out, so some hundred examples
 * @throws OptionError; whatever the model or the loss throws
 */
export async function activationStatistics(
  model: Module,
  batch: Tensor,
  options: ActivationStatisticsOptions = {},
): Promise<ActivationStatistics> {
  const { bins, range, gradients, evaluation, loss } = check(model, options);
  model.ensureInitialized();
  let modules: Observed[] = [];
  let reached: boolean[] = [];
  const look = (x: Tensor): { outputs: Tensor[]; gradients: Tensor[] } => {
    const recorded = recordOutputs(model, x);
    const chosen = recorded.filter(([module]) => isLayer(module, model, recorded.length));
    modules = chosen.map(([module]) => module);
    const outputs = chosen.map(([, output]) => output);
    const total = loss(recorded.at(-1)![1]);
    const nodes = new Set(gradients ? reachableNodes([total]) : []);
    reached = outputs.map((output) => {
      const node = nodeOf(output);
      return node !== undefined && nodes.has(node);
    });
    const targets = outputs.filter((_, i) => reached[i]);
    return { outputs, gradients: targets.length > 0 ? grad(total, targets) : [] };
  };
  // It has random draws of its own, so that later training does not depend on this call.
  const run = compile((x: Tensor) => withoutAssignments(() => look(x)), { random: new RandomState(0) });
  try {
    const results = await (evaluation ? inEvalMode : inTrainingMode)(model, () => run(batch));
    const returned = results.gradients.values();
    const layers: LayerStatistics[] = [];
    for (const [i, output] of results.outputs.entries()) {
      const gradient = reached[i] ? returned.next().value : undefined;
      await nextTurn(); // a layer has millions of values, so let others have their turn
      layers.push(await describeLayer(modules[i]!, output, gradient, { bins, range }));
    }
    return { layers, toString: () => table(layers) };
  } finally {
    run.dispose();
  }
}

function check(model: Module, options: ActivationStatisticsOptions) {
  const where = 'activationStatistics';
  checkKeys(where, options, ['loss', 'gradients', 'bins', 'range', 'evaluation']);
  if (!(model instanceof Module)) throw new OptionError(`${where}: expected a model, got ${show(model)}`);
  const { loss = weighted, range } = options;
  if (typeof loss !== 'function')
    throw new OptionError(`${where}: loss must be a function, got ${show(loss)}`);
  if (range !== undefined) {
    const [low, high] = Array.isArray(range) ? (range as readonly unknown[]) : [];
    if (!(finite(where, 'range', low) < finite(where, 'range', high)))
      throw new OptionError(`${where}: range must be [low, high], got ${show(range)}`);
  }
  return {
    loss,
    range,
    bins: positiveInteger(where, 'bins', options.bins ?? 50),
    gradients: bool(where, 'gradients', options.gradients ?? true),
    evaluation: bool(where, 'evaluation', options.evaluation ?? false),
  };
}

function weighted(y: Tensor): Tensor {
  const scale = 1 / Math.max(1, y.shape[0] ?? 1);
  return ops.mul(ops.sum(ops.mul(y, ops.randomNormal(y.shape, 0, 'activationStatistics'))), scale);
}

/** Containers, and a model made of layers, only repeat what their last layer shows. */
function isLayer(module: Observed, model: Module, recorded: number): boolean {
  const repeats = module instanceof Sequential || module instanceof NamedSequential;
  return !repeats && (module !== model || recorded === 1);
}

interface Bars {
  readonly bins: number;
  readonly range: readonly [number, number] | undefined;
}

async function describeLayer(
  module: Observed,
  output: Tensor,
  gradient: Tensor | undefined,
  bars: Bars,
): Promise<LayerStatistics> {
  const values = await output.data();
  const { shape } = output;
  const { kind, path } = module;
  const ends = { tanh: [-1, 1], sigmoid: [0, 1] }[kind];
  return {
    path,
    type: module.constructor.name,
    shape,
    activation: distribution(values, bars),
    ...(gradient !== undefined && { gradient: distribution(await gradient.data(), bars) }),
    ...(ends !== undefined && { saturated: saturation(values, ends[0]!, ends[1]!) }),
    ...((kind === 'relu' || kind === 'relu6') && { dead: deadUnits(values, shape[0] ?? 1) }),
  };
}

function distribution(values: ArrayLike<number>, { bins, range }: Bars): Distribution {
  let [sum, squares, least, greatest, zeros, finiteCount] = [0, 0, Infinity, -Infinity, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (!(abs(v) < Infinity)) continue;
    finiteCount++;
    sum += v;
    if (v < least) least = v;
    if (v > greatest) greatest = v;
    if (v === 0) zeros++;
  }
  const mean = sum / finiteCount;
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (abs(v) < Infinity) squares += (v - mean) ** 2;
  }
  const [low, high] = range ?? (finiteCount > 0 ? [least, greatest] : [0, 0]);
  return {
    mean,
    std: sqrt(squares / finiteCount),
    min: least,
    max: greatest,
    zeros: zeros / values.length,
    nonFinite: values.length - finiteCount,
    histogram: { low, high, counts: count(values, low, high, bins) },
  };
}

function count(values: ArrayLike<number>, low: number, high: number, bins: number): number[] {
  const counts = Array<number>(bins).fill(0);
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (!(v >= low && v <= high)) continue;
    // If all values are equal, the range has no width, and they stand in the first bar.
    const at = high > low ? floor(((v - low) / (high - low)) * bins) : 0;
    counts[min(bins - 1, at)]!++;
  }
  return counts;
}

function saturation(values: ArrayLike<number>, low: number, high: number): number {
  const margin = 0.01 * (high - low);
  let n = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! < low + margin || values[i]! > high - margin) n++;
  return n / max(1, values.length);
}

function deadUnits(values: ArrayLike<number>, batch: number): number {
  const units = values.length / max(1, batch);
  let dead = 0;
  for (let u = 0; u < units; u++) {
    let n = 0;
    while (n < batch && values[n * units + u] === 0) n++;
    if (n === batch) dead++;
  }
  return dead / max(1, units);
}

function table(layers: readonly LayerStatistics[]): string {
  const number = (v: number | undefined): string => (v === undefined ? '' : v.toPrecision(3));
  const share = (v: number | undefined): string => (v === undefined ? '' : `${(100 * v).toFixed(1)} %`);
  const rows = [
    ['layer', 'type', 'mean', 'std', 'saturated', 'dead', 'gradient std'],
    ...layers.map((l) => [
      l.path,
      l.type,
      number(l.activation.mean),
      number(l.activation.std),
      share(l.saturated),
      share(l.dead),
      number(l.gradient?.std),
    ]),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
