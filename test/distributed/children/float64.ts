/**
 * One rank of a step on the float64 target, started by mpirun: `node -r register.js float64.ts`. Rank 0
 * prints what came of the weights on all ranks: with batch norm of each shard, and of all.
 */
import { writeSync } from 'node:fs';
import '../../../lib/compile/evaluate';
import { join, type World } from '../../../lib/distributed';
import { crossEntropy } from '../../../lib/losses';
import * as nn from '../../../lib/nn';
import * as optim from '../../../lib/optim';
import { withTarget } from '../../../lib/tensor/target';
import { Trainer } from '../../../lib/train';
import { uniform } from '../../fixtures/numbers';

export type Weights = readonly (readonly [name: string, values: readonly number[]])[];

/**
 * The weights and statistics after a step of rate 1, whose batch of 11 is computed in 4 shards. Batch norm
 * sees a shard, or with `syncBatchNorm` all of them.
 */
export function stepped(syncBatchNorm: boolean, world?: World): Promise<Weights> {
  return withTarget('ref', async () => {
    const model = nn
      .sequential(
        nn.conv2d(1, 3, { kernel: 3 }),
        nn.batchNorm2d(3),
        nn.relu(),
        nn.flatten(),
        nn.linear(48, 4),
      )
      .initialize({ seed: 5 });
    // As float32, in which rank 0 sends them.
    await model.load(await model.toBuffer());
    const trainer = new Trainer(model, {
      ...{ shards: 4, syncBatchNorm },
      loss: crossEntropy(),
      optimizer: optim.sgd({ lr: 1 }),
      ...(world && { world }),
    });
    const batch = {
      inputs: { data: uniform(11 * 36, 1), shape: [11, 1, 6, 6] },
      targets: { data: Int32Array.from({ length: 11 }, (_, i) => (i * 7) % 4), shape: [11] },
    };
    await trainer.fit([batch], { epochs: 1 });
    const tensors = [...model.namedParameters(), ...model.namedBuffers()];
    return Promise.all(tensors.map(async ([name, t]) => [name, [...(await t.data())]] as const));
  });
}

async function main(): Promise<void> {
  const world = await join();
  for (const sync of [false, true]) {
    const all = await world.gather(await stepped(sync, world));
    if (world.rank === 0) writeSync(1, `${JSON.stringify(all)}\n`);
  }
}

if (require.main === module) void main();
