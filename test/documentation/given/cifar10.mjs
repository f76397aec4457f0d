// A folder in the form of CIFAR-10 that holds few images, a network for them, and what trains it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { losses, models, optim } from 'tenon';

export const dir = 'cifar10';
mkdirSync(dir, { recursive: true });
const recordBytes = 1 + 3 * 32 * 32;
for (const name of [
  'data_batch_1',
  'data_batch_2',
  'data_batch_3',
  'data_batch_4',
  'data_batch_5',
  'test_batch',
]) {
  const records = Uint8Array.from({ length: 10 * recordBytes }, (_, i) =>
    i % recordBytes === 0 ? i / recordBytes : Math.imul(i, 2654435761) >>> 24,
  );
  writeFileSync(`${dir}/${name}.bin`, records);
}

export const model = models.resnet20();
export const options = { loss: losses.crossEntropy(), optimizer: optim.sgd({ lr: 0.01 }) };

/** @param {{ train: import('tenon').data.Dataset, trainer?: import('tenon').Trainer }} declared */
export default async function look({ train, trainer }) {
  await trainer?.fit(train, { epochs: 1 });
}
