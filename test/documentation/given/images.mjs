// A few images of ten classes, a small network for them, and what trains it.
import { losses, nn, optim, Trainer } from 'tenon';
import { fewImages } from './few.mjs';

export const train = await fewImages(20, 10);
export const validation = await fewImages(10, 10);

export const model = nn
  .namedSequential({
    features: nn.sequential(nn.conv2d(3, 4, { kernel: 3, stride: 4 }), nn.batchNorm2d(4), nn.relu()),
    pool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    head: nn.linear(4, 10),
  })
  .initialize({ seed: 1 });
export const loss = losses.crossEntropy();
export const optimizer = optim.sgd({ lr: 0.01 });
export const options = { loss, optimizer };
export const trainer = new Trainer(model, options);

/** A trainer that a block declares trains. @param {{ trainer?: Trainer }} declared */
export default async function look(declared) {
  await declared.trainer?.fit(train, { epochs: 1 });
}
