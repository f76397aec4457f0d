/** LeNets: the classic of 1998 and the small one that tenon is measured with. */
import * as nn from '../nn';
import { resolveOptions, type ModelOptions } from './options';

/**
 * LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998), as it is usually built today: tanh, average pooling, a
 * linear output. conv 6@5x5 pad 2, pool 2, conv 16@5x5, pool 2, fc 120, 84, classes. Input [N, 1, 28, 28].
 * @throws OptionError; imageSize is at least 12
 */
export function lenet5(options: ModelOptions = {}): nn.Sequential {
  const { classes, inChannels, imageSize } = resolveOptions('models.lenet5', options, {
    inChannels: 1,
    imageSize: 28,
    minimumSize: 12,
  });
  const side = Math.floor((Math.floor(imageSize / 2) - 4) / 2);
  const model = nn.sequential(
    nn.conv2d(inChannels, 6, { kernel: 5, padding: 2 }),
    nn.tanh(),
    nn.avgPool2d(2),
    nn.conv2d(6, 16, { kernel: 5 }),
    nn.tanh(),
    nn.avgPool2d(2),
    nn.flatten(),
    nn.linear(16 * side * side, 120),
    nn.tanh(),
    nn.linear(120, 84),
    nn.tanh(),
    nn.linear(84, classes),
  );
  return seeded(model, options);
}

/**
 * conv 32@3x3 pad 1, relu, maxpool 2, conv 64@3x3 pad 1, relu, maxpool 2, fc 128, relu, fc classes. Input [N,
 * 1, 28, 28].
 * @throws OptionError; imageSize is at least 4
 */
export function lenet(options: ModelOptions = {}): nn.Sequential {
  const { classes, inChannels, imageSize } = resolveOptions('models.lenet', options, {
    inChannels: 1,
    imageSize: 28,
    minimumSize: 4,
  });
  const side = Math.floor(imageSize / 4);
  const model = nn.sequential(
    nn.conv2d(inChannels, 32, { kernel: 3, padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.conv2d(32, 64, { kernel: 3, padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(64 * side * side, 128),
    nn.relu(),
    nn.linear(128, classes),
  );
  return seeded(model, options);
}

/** Draws the weights now where a seed was given. */
export function seeded<M extends nn.Module>(model: M, { seed }: ModelOptions): M {
  return seed === undefined ? model : model.initialize({ seed });
}
