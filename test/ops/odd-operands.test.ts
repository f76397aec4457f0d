/**
 * Operands that are not tensors, and sizes that are not sizes, are typed errors of the call that got them.
 */
import { TenonError } from '../../lib/errors';
import * as losses from '../../lib/losses';
import * as metrics from '../../lib/metrics';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';

const image = tensor(new Float32Array(32), [1, 2, 4, 4]);
const matrix = tensor(new Float32Array(6), [2, 3]);
const labels = tensor(Int32Array.of(0, 1));

const odd: readonly unknown[] = [undefined, null, 3, '3', {}, [], [1, 2], () => 1, Symbol('x'), 7n];

const operands: Record<string, (x: Tensor) => unknown> = {
  conv1d: (x) => ops.conv1d(x, matrix),
  conv2d: (x) => ops.conv2d(image, x),
  convTranspose2d: (x) => ops.convTranspose2d(x, image),
  maxPool2d: (x) => ops.maxPool2d(x, 2),
  globalAvgPool2d: (x) => ops.globalAvgPool2d(x),
  adaptiveAvgPool2d: (x) => ops.adaptiveAvgPool2d(x, 1),
  fractionalMaxPool2d: (x) => ops.fractionalMaxPool2d(x, 2, { outputSize: 1 }),
  linear: (x) => ops.linear(x, matrix),
  'linear, weight': (x) => ops.linear(matrix, x),
  relu: (x) => ops.relu(x),
  softmax: (x) => ops.softmax(x),
  logSoftmax: (x) => ops.logSoftmax(x),
  flatten: (x) => nn.flatten().forward(x),
  reshape: (x) => ops.reshape(x, [6]),
  sum: (x) => ops.sum(x),
  max: (x) => ops.max(x),
  argmax: (x) => ops.argmax(x),
  permute: (x) => ops.permute(x, [0, 1]),
  'permute, axes': (x) => ops.permute(matrix, x as never),
  transpose: (x) => ops.transpose(x),
  concat: (x) => ops.concat([matrix, x]),
  'concat, the list': (x) => ops.concat(x as never),
  ...Object.fromEntries(
    (['crossEntropy', 'hinge', 'mse', 'l1', 'huber', 'smoothL1', 'binaryCrossEntropy'] as const).flatMap(
      (name) => [
        [`${name}, outputs`, (x: Tensor) => losses[name]()(x, labels)],
        [`${name}, targets`, (x: Tensor) => losses[name]()(matrix, x)],
      ],
    ),
  ),
  topK: (x) => metrics.topK(2).count(x, labels),
  confusionMatrix: (x) => metrics.confusionMatrix(3).count(matrix, x),
};

test.each(Object.keys(operands))('%s', (name) => {
  for (const value of odd) expect(() => operands[name]!(value as Tensor)).toThrow(TenonError);
});

const sizes: Record<string, (size: never) => unknown> = {
  'conv2d, kernel': (size) => nn.conv2d(2, 2, { kernel: size }),
  'conv2d, padding': (size) => ops.conv2d(image, image, undefined, { padding: size }),
  'maxPool2d, kernel': (size) => ops.maxPool2d(image, size),
  'avgPool2d, stride': (size) => ops.avgPool2d(image, 2, { stride: size }),
  'fractionalMaxPool2d, kernel': (size) => nn.fractionalMaxPool2d(size, { outputSize: 1 }),
  'reshape, shape': (size) => ops.reshape(image, [size]),
  'slice, start': (size) => ops.slice(matrix, [0, size], [1, 1]),
};

test.each(Object.keys(sizes))('%s', (name) => {
  for (const value of ['3', {}, [], [1], [1, 2, 3], [1, '2'], NaN, Infinity, 1.5, -7, 1e300, Symbol('x'), 7n])
    expect(() => sizes[name]!(value as never)).toThrow(TenonError);
});
