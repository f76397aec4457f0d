/** Layer-sequential unit-variance initialization (Mishkin & Matas 2015). */
import { DataError } from '../../errors';
import { bool, checkKeys, clip, nonNegativeInteger, positive, positiveInteger } from '../../options';
import type { Tensor } from '../../tensor/tensor';
import { orthogonal } from './orthogonal';
import type { Module } from '../module';
import { recordOutputs } from '../observe';
import { measure, layersOf, update, moments } from './measure';

export interface LsuvOptions {
  /** How far a layer's output variance may be from 1, above 0. Default 0.1. */
  readonly tolerance?: number;
  /** Scalings of one layer at most. Default 10. */
  readonly maxIterations?: number;
  /** Whether weights are first drawn orthogonal and biases set to 0, as in the paper. Default true. */
  readonly orthogonal?: boolean;
  /** The seed of the orthogonal weights. Default 0. */
  readonly seed?: number;
}

/** How one layer came out. */
export interface LsuvLayer {
  readonly path: string;
  /** The variance of its outputs, over the batch and all units. */
  readonly variance: number;
  readonly iterations: number;
}

/**
 * Layer-sequential unit-variance initialization (Mishkin & Matas 2015): orthogonal weights; then, layer by
 * layer from the input on, weights are divided by the deviation of the layer's outputs for this batch until
 * its variance is 1 within the tolerance. Runs in evaluation mode.
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
