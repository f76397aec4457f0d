/** Data-dependent initialization (Krahenbuhl, Doersch, Donahue, Darrell 2015). */
import { DataError, OptionError } from '../../errors';
import { grad } from '../../compile/grad';
import * as ops from '../../ops';
import { bool, checkKeys, clip, finite, nonNegativeInteger, positive, positiveInteger } from '../../options';
import type { Tensor } from '../../tensor/tensor';
import type { Module } from '../module';
import { recordOutputs } from '../observe';
import { type Layer, channelAxis, measure, layersOf, update, moments } from './measure';

export interface DataDependentOptions {
  /** The mean of every output after the first part. Default 0; a little more keeps more ReLUs active. */
  readonly bias?: number;
  /** Whether layers are balanced against each other as well. Default true. */
  readonly betweenLayers?: boolean;
  /** Rounds of balancing. Default 10. */
  readonly iterations?: number;
  /** Damping of balancing, from above 0 to 1 (none). Default 0.25. */
  readonly damping?: number;
  /** The seed of the random loss that balancing looks at. Default 0. */
  readonly seed?: number;
}

/**
 * Data-dependent initialization (Krahenbuhl, Doersch, Donahue, Darrell 2015) of the weights that the model
 * has. Within layers: each output channel is scaled and shifted to variance 1 and mean `bias` for this batch
 * (outputs that do not vary stay as they are; a model with transposed convolutions is refused and not
 * changed). Between layers: layers whose weights would change faster than the geometric mean, relative to
 * their size, are scaled up and the next one down, so that all learn at one rate; this suits layers in a
 * chain with ReLU-like functions between them. Runs in evaluation mode.
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
    // Independent random signs per example: the square of the summed gradient is, in the mean, the
    // sum of squares.
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
