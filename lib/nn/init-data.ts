/** Initial weights that follow from data: a batch goes through the model, and layers are scaled by what comes out of them. */
import { DataError, OptionError } from '../errors';
import { compile } from '../compile/compile';
import { grad } from '../compile/grad';
import * as ops from '../ops';
import { bool, checkKeys, clip, finite, nonNegativeInteger, positive, positiveInteger } from '../options';
import { Parameter } from '../tensor/parameter';
import type { Tensor } from '../tensor/tensor';
import { orthogonal } from './init-host';
import { inEvalMode } from './mode';
import { Module } from './module';
import { recordOutputs } from './observe';

/** A layer that multiplies by a weight, and its place among what `recordOutputs` gives. */
interface Layer {
  readonly path: string;
  readonly at: number;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  /** Whether the weight's first axis is that of the outputs: not so where a convolution is transposed. */
  readonly outputsFirst: boolean;
}

function parameterOf(module: Module, name: string): Parameter | undefined {
  const found = [...module.members()].find(([key]) => key === name)?.[1];
  return found instanceof Parameter ? found : undefined;
}

/** Channels are the last axis of a linear layer's outputs and the second of a convolution's. */
function channelAxis(weight: Parameter, outputs: Tensor): number {
  return weight.rank === 2 ? outputs.rank - 1 : 1;
}

/** What `fn` gives for the batch, in evaluation mode: nothing is dropped, no running statistic moves. */
async function measure(
  model: Module,
  batch: Tensor,
  fn: (x: Tensor) => Tensor[],
): Promise<ArrayLike<number>[]> {
  const run = compile(fn);
  try {
    const results = await inEvalMode(model, () => run(batch));
    return await Promise.all(results.map((t) => t.data()));
  } finally {
    run.dispose();
  }
}

/** Layers with weights of rank 2 or more, in the order of forward(); one that is used twice counts where it is first. */
async function layersOf(where: string, model: Module, batch: Tensor): Promise<Layer[]> {
  if (!(model instanceof Module)) throw new OptionError(`${where}: expected a model first`);
  model.ensureInitialized();
  const layers: Layer[] = [];
  await measure(model, batch, (x) => {
    const outputs = recordOutputs(model, x);
    outputs.forEach(([module, y], at) => {
      const weight = parameterOf(module, 'weight');
      if (weight === undefined || weight.rank < 2 || weight.ofNormalization) return;
      if (layers.some((l) => l.weight === weight)) return;
      const transposed = module.kind.startsWith('convTranspose');
      const outputsFirst = !transposed && y.shape[channelAxis(weight, y)] === weight.shape[0];
      layers.push({ path: module.path, at, weight, bias: parameterOf(module, 'bias'), outputsFirst });
    });
    return [];
  });
  if (layers.length === 0) throw new OptionError(`${where}: the model has no layer with weights`);
  return layers;
}

/** Replaces each value of a parameter by fn(value, its index in logical order); what is pruned stays 0. */
async function update(p: Parameter, fn: (value: number, index: number) => number): Promise<void> {
  const values = (await p.data()) as Float32Array;
  const mask = await p.mask?.data();
  await p.storage.write(values.map((value, i) => (mask === undefined || mask[i]! > 0 ? fn(value, i) : 0)));
}

export interface LsuvOptions {
  /** How far a layer's output variance may be from 1, above 0. Default 0.1. */
  readonly tolerance?: number;
  /** Scalings of one layer at most. Default 10. */
  readonly maxIterations?: number;
  /** Whether weights are first drawn orthogonal and biases set to 0, as in the paper. Default true. */
  readonly orthogonal?: boolean;
  /** Of the orthogonal weights. Default 0. */
  readonly seed?: number;
}

/** How one layer came out. */
export interface LsuvLayer {
  readonly path: string;
  /** Of its outputs, over the batch and all units. */
  readonly variance: number;
  readonly iterations: number;
}

/**
 * Layer-sequential unit-variance initialization (Mishkin & Matas 2015): orthogonal weights; then, layer by layer from the input on,
 * weights are divided by the deviation of the layer's outputs for this batch until its variance is 1 within the tolerance. Runs in
 * evaluation mode.
 * @param batch what forward() takes, a few hundred examples
 * @throws DataError where a layer's outputs for this batch do not vary or are not finite; OptionError
 */
export async function lsuv(model: Module, batch: Tensor, options: LsuvOptions = {}): Promise<LsuvLayer[]> {
  const where = 'init.lsuv';
  checkKeys(where, options, ['tolerance', 'maxIterations', 'orthogonal', 'seed']);
  const tolerance = positive(where, 'tolerance', options.tolerance ?? 0.1);
  const most = positiveInteger(where, 'maxIterations', options.maxIterations ?? 10);
  const seed = nonNegativeInteger(where, 'seed', options.seed ?? 0);
  const layers = await layersOf(where, model, batch);
  if (bool(where, 'orthogonal', options.orthogonal ?? true)) {
    for (const { weight, bias } of layers) {
      const drawn = await orthogonal()(weight.shape, seed, weight.name).data();
      await update(weight, (_, i) => drawn[i]!);
      if (bias !== undefined) await update(bias, () => 0);
    }
  }
  const report: LsuvLayer[] = [];
  for (const { path, at, weight } of layers) {
    const varianceNow = async (): Promise<number> => {
      const [variance] = await measure(model, batch, (x) => [
        moments(recordOutputs(model, x)[at]![1]).variance,
      ]);
      return variance![0]!;
    };
    let [variance, iterations] = [await varianceNow(), 0];
    while (!(Math.abs(variance - 1) < tolerance) && iterations < most) {
      if (!(variance > 0 && variance < Infinity))
        throw new DataError(
          `${where}: the outputs of '${clip(path)}' have variance ${variance} for this batch`,
        );
      const scale = 1 / Math.sqrt(variance);
      await update(weight, (w) => w * scale);
      variance = await varianceNow();
      iterations++;
    }
    report.push({ path, variance, iterations });
  }
  return report;
}

/** Mean and variance over `axes` (all). */
function moments(y: Tensor, axes?: number[]): { mean: Tensor; variance: Tensor } {
  const over = axes === undefined ? {} : { axes };
  const centered = ops.sub(y, ops.mean(y, { ...over, keepDims: true }));
  return { mean: ops.mean(y, over), variance: ops.mean(ops.square(centered), over) };
}

export interface DataDependentOptions {
  /** Mean of every output after the first part. Default 0; a little more keeps more ReLUs awake. */
  readonly bias?: number;
  /** Whether layers are balanced against each other as well. Default true. */
  readonly betweenLayers?: boolean;
  /** Rounds of balancing. Default 10. */
  readonly iterations?: number;
  /** Damping of balancing, from above 0 to 1 (none). Default 0.25. */
  readonly damping?: number;
  /** Of the random loss that balancing looks at. Default 0. */
  readonly seed?: number;
}

/**
 * Data-dependent initialization (Krahenbuhl, Doersch, Donahue, Darrell 2015) of the weights that the model has. Within layers: each
 * output channel is scaled and shifted to variance 1 and mean `bias` for this batch (outputs that do not vary stay; a model with transposed
 * convolutions is refused and stays as it is). Between layers:
 * layers whose weights would change faster than the geometric mean, relative to their size, are scaled up and the next one down, so
 * that all learn at one rate; right for layers one behind the other with ReLU-like functions between them. Runs in evaluation mode.
 * @param batch what forward() takes, some dozens of examples
 * @throws DataError where a relative gradient is 0 or not finite; OptionError
 */
export async function dataDependent(
  model: Module,
  batch: Tensor,
  options: DataDependentOptions = {},
): Promise<void> {
  const where = 'init.dataDependent';
  checkKeys(where, options, ['bias', 'betweenLayers', 'iterations', 'damping', 'seed']);
  const shift = finite(where, 'bias', options.bias ?? 0);
  const iterations = positiveInteger(where, 'iterations', options.iterations ?? 10);
  const damping = positive(where, 'damping', options.damping ?? 0.25);
  if (damping > 1) throw new OptionError(`${where}: damping must be at most 1, got ${damping}`);
  const seed = nonNegativeInteger(where, 'seed', options.seed ?? 0);
  const between = bool(where, 'betweenLayers', options.betweenLayers ?? true);
  const layers = await layersOf(where, model, batch);
  const refused = layers.find((layer) => !layer.outputsFirst);
  if (refused !== undefined)
    throw new OptionError(`${where}: the weight of '${clip(refused.path)}' is not [outputs, ...]`);
  for (const layer of layers) await normalizeOutputs(model, batch, layer, shift);
  for (let i = 0; between && i < iterations; i++)
    await balance(where, model, batch, layers, damping, seed + i);
}

async function normalizeOutputs(model: Module, batch: Tensor, layer: Layer, shift: number): Promise<void> {
  const { at, weight, bias } = layer;
  const [mean, variance] = await measure(model, batch, (x) => {
    const y = recordOutputs(model, x)[at]![1];
    const channel = channelAxis(weight, y);
    const { mean: m, variance: v } = moments(
      y,
      y.shape.flatMap((_, axis) => (axis === channel ? [] : [axis])),
    );
    return [m, v];
  });
  const scale = Array.from(variance!, (v) => (v > 1e-12 ? 1 / Math.sqrt(v) : 1));
  const size = weight.size / weight.shape[0]!;
  await update(weight, (w, i) => w * scale[Math.floor(i / size)]!);
  if (bias !== undefined) await update(bias, (b, c) => (b - mean![c]!) * scale[c]! + shift);
}

/** One round of the paper's algorithm 2. */
async function balance(
  where: string,
  model: Module,
  batch: Tensor,
  layers: readonly Layer[],
  damping: number,
  seed: number,
): Promise<void> {
  const weights = layers.map((l) => l.weight);
  const ratios = await measure(model, batch, (x) => {
    const y = model.forward(x);
    // Independent random signs per example: the square of the summed gradient is, in the mean, the sum of squares.
    const loss = ops.sum(ops.mul(y, ops.randomNormal(y.shape, seed, where)));
    return grad(loss, weights).map((g, i) => ops.div(ops.sumSquares([g]), ops.sumSquares([weights[i]!])));
  });
  const logs = ratios.map((r) => Math.log(r[0]!) / 2);
  const broken = logs.findIndex((v) => !Number.isFinite(v));
  if (broken >= 0)
    throw new DataError(
      `${where}: the gradient of '${clip(layers[broken]!.path)}' is 0 or not finite for this batch`,
    );
  const mean = logs.reduce((a, b) => a + b) / logs.length;
  // Scaled by r and undone in the next layer, a layer's relative gradient falls by r^2.
  const scales = logs.map((v) => Math.exp(((v - mean) * damping) / 2));
  for (const [k, { weight, bias }] of layers.entries()) {
    const scale = scales[k]! / (scales[k - 1] ?? 1);
    await update(weight, (w) => w * scale);
    if (bias !== undefined) await update(bias, (b) => b * scales[k]!);
  }
}
