// A network with a `layer4` of 512 channels, and images of five classes.
import { losses, models, optim } from 'tenon';
import { fewImages } from './few.mjs';

export const model = models.resnet18({ classes: 2 });
model.preprocessing = { ...models.imagenet, height: 32, width: 32 };
export const images = await fewImages(10, 5);
export const loss = losses.crossEntropy();
export const optimizer = optim.sgd({ lr: 0.01 });
