/** Small batches, networks and runs, how far the weights of two runs are apart, and runs on more threads. */
import { crossEntropy } from '../../lib/losses';
import { info, setThreads } from '../../lib/native';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { Trainer, type FitOptions, type TrainerOptions } from '../../lib/train';
import { uniform } from '../fixtures/numbers';

/** Batches of a stream: inputs [N, 1, 6, 6] and classes 0 to 3. */
export function batch(size: number, seed = 1, weights?: readonly number[]) {
  return {
    inputs: { data: uniform(size * 36, seed), shape: [size, 1, 6, 6] },
    targets: { data: Int32Array.from({ length: size }, (_, i) => (i * 7 + seed) % 4), shape: [size] },
    ...(weights && { weights: { data: Float32Array.from(weights), shape: [size] } }),
  };
}

export function normedNet(): nn.Module {
  return nn.sequential(
    nn.conv2d(1, 3, { kernel: 3 }),
    nn.batchNorm2d(3),
    nn.relu(),
    nn.flatten(),
    nn.linear(48, 4),
  );
}

/** Without what sees a shard by itself. */
export function plainNet(): nn.Module {
  return nn.sequential(nn.conv2d(1, 3, { kernel: 3 }), nn.tanh(), nn.flatten(), nn.linear(48, 4));
}

export type Values = Map<string, number[]>;

export async function valuesOf(model: nn.Module): Promise<Values> {
  const tensors = [...model.namedParameters(), ...model.namedBuffers()];
  return new Map(
    await Promise.all(
      tensors.map(async ([name, t]): Promise<[string, number[]]> => [name, [...(await t.data())]]),
    ),
  );
}

export function furthest(a: Values, b: Values): number {
  expect([...a.keys()]).toEqual([...b.keys()]);
  return Math.max(...[...a].flatMap(([name, list]) => list.map((v, i) => Math.abs(v - b.get(name)![i]!))));
}

export interface Trained {
  readonly values: Values;
  readonly losses: readonly number[];
  readonly accuracy: number | undefined;
}

export async function trained(
  make: () => nn.Module,
  options: Partial<TrainerOptions>,
  data: Parameters<Trainer['fit']>[0],
  fit: Partial<FitOptions> = {},
): Promise<Trained> {
  const model = make().initialize({ seed: 5 });
  const trainer = new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 1 }), ...options });
  const losses: number[] = [];
  const { epochs } = await trainer.fit(data, {
    epochs: 1,
    ...fit,
    callbacks: [
      {
        everySteps: 1,
        onSteps: (_, { lastStep }) => void losses.push(lastStep!.loss, lastStep!.penalty ?? 0),
      },
    ],
  });
  losses.push(...epochs.map((e) => e.trainLoss));
  return { values: await valuesOf(model), losses, accuracy: epochs[0]!.trainAccuracy };
}

/** What a run returns with each of these numbers of threads. */
export async function onThreads<T>(numbers: readonly number[], run: () => Promise<T>): Promise<T[]> {
  const before = info().threads;
  try {
    const found = [];
    for (const threads of numbers) {
      setThreads(threads);
      found.push(await run());
    }
    return found;
  } finally {
    setThreads(before);
  }
}
