// Files of trained networks, images of a new task, and what trains on them.
import { losses, nn, optim } from 'tenon';
import { fewImages } from './few.mjs';

const body = () => nn.sequential(nn.conv2d(3, 64, { kernel: 3, stride: 8 }), nn.batchNorm2d(64), nn.relu());
const network = (/** @type {number} */ classes) =>
  nn.namedSequential({
    features: body(),
    pool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    classifier: nn.linear(64, classes),
  });
await network(2).save('cats-and-dogs.safetensors');
await network(1000).save('imagenet.safetensors');

export const train = await fewImages(10, 5);
export const model = network(5);
export const loss = losses.crossEntropy();
export const optimizer = optim.sgd({ lr: 0.01 });
