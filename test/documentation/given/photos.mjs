// A folder of photographs, and a network that takes images of any size.
import { mkdirSync } from 'node:fs';
import { losses, nn, optim } from 'tenon';
import sharp from 'sharp';

export const dir = 'photos';
for (const [name, background] of Object.entries({ lake: 'navy', meadow: 'green' })) {
  mkdirSync(`${dir}/train/${name}`, { recursive: true });
  const photo = sharp({ create: { width: 640, height: 520, channels: 3, background } });
  await photo.jpeg().toFile(`${dir}/train/${name}/1.jpg`);
}

export const model = nn.sequential(
  nn.conv2d(3, 4, { kernel: 3, stride: 8 }),
  nn.globalAvgPool2d(),
  nn.flatten(),
  nn.linear(4, 2),
);
export const options = { loss: losses.crossEntropy(), optimizer: optim.sgd({ lr: 0.01 }) };

/** @param {{ train: import('tenon').data.Dataset, trainer: import('tenon').Trainer }} declared */
export default async function look({ train, trainer }) {
  await trainer.fit(train, { epochs: 1 });
}
