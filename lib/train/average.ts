/** Averages of weights between steps, and batch norm's statistics for them. */
import { compile } from '../compile/compile';
import { BatchNorm } from '../nn/layers/batch-norm';
import { forwardInputs } from '../nn/inputs';
import { inTrainingMode } from '../nn/mode';
import type { Module } from '../nn/module';
import type { WeightAverage } from '../optim/average';
import type { StepParts } from './steps';
import type { BatchSource } from './batch-source';
import type { Tensor } from '../tensor/tensor';

/** Adds the model's weights to the average. No step may be queued while it runs. */
export async function takeIn(average: WeightAverage, model: Module): Promise<void> {
  const program = compile(() => average.record(model));
  await program();
  program.dispose();
}

/** The layers whose running statistics move. */
export function statisticsLayers(model: Module): BatchNorm<number>[] {
  return [...model.namedModules().values()].filter(
    (module): module is BatchNorm<number> =>
      module instanceof BatchNorm && module.runningMean !== undefined && !module.frozenStatistics,
  );
}

/**
 * Computes running statistics anew, as PyTorch's `update_bn` does: their mean over the batches of a source,
 * in training mode. With an average, computes them for the averaged weights.
 */
export async function refreshStatistics(
  parts: Omit<StepParts, 'loss'>,
  source: BatchSource,
  average: WeightAverage | undefined,
): Promise<void> {
  const { model, random, precision } = parts;
  const layers = statisticsLayers(model);
  const before = layers.map(({ momentum }) => momentum);
  const program = compile(
    (...args: Tensor[]) => {
      const { inputs } = source.record(args);
      const forward = (): Tensor => forwardInputs(model, inputs);
      if (average === undefined) forward();
      else average.inPlaceOf(model, forward);
    },
    { random, precision },
  );
  const batches = await source.open(0, 0);
  try {
    let count = 0;
    for (let batch = await batches.next(); batch !== undefined; batch = await batches.next()) {
      count++;
      for (const layer of layers) layer.momentum = 1 / count;
      await inTrainingMode(model, () => program(...batch.args));
    }
    if (average !== undefined) average.statistics = average.count;
  } finally {
    layers.forEach((layer, i) => (layer.momentum = before[i]!));
    await batches.close();
    program.dispose();
  }
}
