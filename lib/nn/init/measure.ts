/** What a batch shows about the layers of a model, for initial weights that follow from data. */
import { OptionError } from '../../errors';
import { compile } from '../../compile/compile';
import * as ops from '../../ops';
import { Parameter } from '../../tensor/parameter';
import type { Tensor } from '../../tensor/tensor';
import { inEvalMode } from '../mode';
import { Module } from '../module';
import { recordOutputs, type Observed } from '../observe';

/** A layer that multiplies by a weight, and its place among what `recordOutputs` returns. */
export interface Layer {
  readonly path: string;
  readonly at: number;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  /** Whether the weight's first axis is that of the outputs: not so where a convolution is transposed. */
  readonly outputsFirst: boolean;
}

function parameterOf(module: Observed, name: string): Parameter | undefined {
  const found = [...module.members()].find(([key]) => key === name)?.[1];
  return found instanceof Parameter ? found : undefined;
}

/** Channels are the last axis of a linear layer's outputs and the second of a convolution's. */
export function channelAxis(weight: Parameter, outputs: Tensor): number {
  return weight.rank === 2 ? outputs.rank - 1 : 1;
}

/** What `fn` returns for the batch, in evaluation mode: nothing is dropped, no running statistic moves. */
export async function measure(
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

/**
 * Layers with weights of rank 2 or more, in the order of forward(); one that is used twice counts where
 * it is first.
 */
export async function layersOf(where: string, model: Module, batch: Tensor): Promise<Layer[]> {
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
export async function update(p: Parameter, fn: (value: number, index: number) => number): Promise<void> {
  const values = (await p.data()) as Float32Array;
  const mask = await p.mask?.data();
  await p.storage.write(values.map((value, i) => (mask === undefined || mask[i]! > 0 ? fn(value, i) : 0)));
}

/** Mean and variance over `axes` (all). */
export function moments(y: Tensor, axes?: number[]): { mean: Tensor; variance: Tensor } {
  const over = axes === undefined ? {} : { axes };
  const centered = ops.sub(y, ops.mean(y, { ...over, keepDims: true }));
  return { mean: ops.mean(y, over), variance: ops.mean(ops.square(centered), over) };
}
