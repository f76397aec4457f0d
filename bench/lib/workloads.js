'use strict';

/**
 * What is measured. One definition serves every system: an adapter turns `layers` into a model of its own
 * library, so that no two systems can differ in what they compute. Shapes are logical (C, H, W), weights
 * as in PyTorch.
 *
 * @typedef {{ type: string, [key: string]: unknown }} Layer
 * @typedef {object} Item
 * @property {string} name
 * @property {'train' | 'infer' | 'kernel'} kind A kernel has kernel, work and unit instead of a network.
 * @property {object} [kernel] What it computes, for the adapters: { type, ... }.
 * @property {number} [work] Floating-point operations or bytes of one call.
 * @property {'GFLOP/s' | 'GB/s'} [unit]
 * @property {number[]} input Shape of one example.
 * @property {number} classes Classes of the uniform labels; 0 where the loss is the sum of squares.
 * @property {number} batch
 * @property {{ type: 'sgd' | 'adam', lr: number, momentum: number, weightDecay: number } | null} optimizer
 * @property {Layer[]} layers
 */

const relu = { type: 'relu' };
const relu6 = { type: 'relu6' };
const tanh = { type: 'tanh' };
const flatten = { type: 'flatten' };
const globalAverage = { type: 'globalAveragePool' };

const linear = (input, output) => ({ type: 'linear', input, output });
const dropout = (p) => ({ type: 'dropout', p });
const batchNorm = (channels) => ({ type: 'batchNorm', channels });
const maxPool = (kernel, stride = kernel, padding = 0) => ({ type: 'maxPool', kernel, stride, padding });
const conv = (input, output, kernel, { stride = 1, padding = 0, bias = false } = {}) => ({
  type: 'conv',
  input,
  output,
  kernel,
  stride,
  padding,
  bias,
});

/** Convolution without bias, batch norm. */
const convNorm = (input, output, kernel, stride = 1, padding = (kernel - 1) / 2) => [
  conv(input, output, kernel, { stride, padding }),
  batchNorm(output),
];

/**
 * Basic block of He et al. 2016: relu(main(x) + shortcut(x)); the shortcut is a 1x1 convolution where
 * the shape changes.
 */
function residual(input, output, stride) {
  const main = [...convNorm(input, output, 3, stride), relu, ...convNorm(output, output, 3)];
  const shortcut = stride !== 1 || input !== output ? convNorm(input, output, 1, stride) : [];
  return { type: 'residual', main, shortcut };
}

function stages(input, widths, blocks) {
  const layers = [];
  let channels = input;
  widths.forEach((width, stage) => {
    for (let i = 0; i < blocks; i++) {
      layers.push(residual(channels, width, stage > 0 && i === 0 ? 2 : 1));
      channels = width;
    }
  });
  return layers;
}

function vggsLayers() {
  const pairs = [
    [3, 64],
    [64, 128],
    [128, 256],
  ].flatMap(([input, k]) => [...convNorm(input, k, 3), relu, ...convNorm(k, k, 3), relu, maxPool(2)]);
  return [...pairs, flatten, linear(4096, 256), relu, dropout(0.5), linear(256, 10)];
}

/** A filter for each channel; `padding` above, below, on the left and on the right. */
const depthwise = (channels, kernel, stride, padding) => ({
  ...{ type: 'depthwise', channels, kernel, stride, padding },
});

/** A convolution without bias, padded by 1 below and on the right: TensorFlow's SAME at stride 2. */
const paddedConv = (input, output, kernel, stride) => ({
  ...{ type: 'paddedConv', input, output, kernel, stride, padding: [0, 1, 0, 1] },
});

/**
 * Inverted residual of Sandler et al. 2018: main(x), plus x where the shape stays. `same`: padding as in
 * TensorFlow, for even sizes.
 */
function inverted(input, output, { expansion, kernel, stride, same }) {
  const hidden = input * expansion;
  const after = kernel >> 1;
  const before = same && stride === 2 ? after - 1 : after;
  const main = [
    ...(expansion === 1 ? [] : [...convNorm(input, hidden, 1), relu6]),
    ...[depthwise(hidden, kernel, stride, [before, after, before, after]), batchNorm(hidden), relu6],
    ...convNorm(hidden, output, 1),
  ];
  return { type: 'inverted', main, adds: stride === 1 && input === output };
}

/** Rows of expansion, channels, blocks, stride of the first, kernel. */
function invertedStages(input, rows, same) {
  const layers = [];
  let channels = input;
  for (const [expansion, output, count, first, kernel] of rows)
    for (let i = 0; i < count; i++) {
      layers.push(inverted(channels, output, { expansion, kernel, stride: i === 0 ? first : 1, same }));
      channels = output;
    }
  return layers;
}

/** What follows the blocks of MobileNetV2 and EfficientNet-Lite0. */
const mobileHead = [
  ...[...convNorm(320, 1280, 1), relu6],
  ...[globalAverage, flatten, dropout(0.2), linear(1280, 1000)],
];

const mobilenetRows = [
  [1, 16, 1, 1, 3],
  [6, 24, 2, 2, 3],
  [6, 32, 3, 2, 3],
  [6, 64, 4, 2, 3],
  [6, 96, 3, 1, 3],
  [6, 160, 3, 2, 3],
  [6, 320, 1, 1, 3],
];

const efficientnetRows = [
  [1, 16, 1, 1, 3],
  [6, 24, 2, 2, 3],
  [6, 40, 2, 2, 5],
  [6, 80, 3, 2, 3],
  [6, 112, 3, 1, 5],
  [6, 192, 4, 2, 5],
  [6, 320, 1, 1, 3],
];

const models = {
  mlp: {
    input: [784],
    classes: 10,
    layers: [linear(784, 256), relu, linear(256, 128), relu, linear(128, 10)],
  },
  lenet: {
    input: [1, 28, 28],
    classes: 10,
    layers: [
      ...[conv(1, 32, 3, { padding: 1, bias: true }), relu, maxPool(2)],
      ...[conv(32, 64, 3, { padding: 1, bias: true }), relu, maxPool(2)],
      ...[flatten, linear(3136, 128), relu, linear(128, 10)],
    ],
  },
  vggs: { input: [3, 32, 32], classes: 10, layers: vggsLayers() },
  resnet20: {
    input: [3, 32, 32],
    classes: 10,
    layers: [
      ...[...convNorm(3, 16, 3), relu, ...stages(16, [16, 32, 64], 3)],
      ...[globalAverage, flatten, linear(64, 10)],
    ],
  },
  resnet18: {
    input: [3, 224, 224],
    classes: 1000,
    layers: [
      ...[...convNorm(3, 64, 7, 2, 3), relu, maxPool(3, 2, 1), ...stages(64, [64, 128, 256, 512], 2)],
      ...[globalAverage, flatten, linear(512, 1000)],
    ],
  },
  mobilenetV2: {
    input: [3, 224, 224],
    classes: 1000,
    layers: [...convNorm(3, 32, 3, 2), relu6, ...invertedStages(32, mobilenetRows, false), ...mobileHead],
  },
  efficientnetLite0: {
    input: [3, 224, 224],
    classes: 1000,
    layers: [
      ...[paddedConv(3, 32, 3, 2), batchNorm(32), relu6],
      ...[...invertedStages(32, efficientnetRows, true), ...mobileHead],
    ],
  },
  tanh6: {
    input: [4096],
    classes: 0,
    layers: Array.from({ length: 6 }, () => [linear(4096, 4096), tanh]).flat(),
  },
};

const sgd = (lr, momentum, weightDecay) => ({ type: 'sgd', lr, momentum, weightDecay });
const adam = { type: 'adam', lr: 1e-3, momentum: 0, weightDecay: 0 };

const train = (name, batch, optimizer) => ({ name, kind: 'train', ...models[name], batch, optimizer });
const infer = (model, batch) => ({
  name: `infer-${model}-b${batch}`,
  kind: 'infer',
  ...models[model],
  batch,
  optimizer: null,
});

const kernel = (name, unit, work, spec) => ({ name, kind: 'kernel', kernel: spec, unit, work, batch: 1 });

const sgemm = (n) => kernel(`sgemm-${n}`, 'GFLOP/s', 2 * n ** 3, { type: 'sgemm', n });

/** The three directions of a convolution [N, C, H, H] with K filters of R x R. */
function convolutions(name, [n, c, h, k, r, stride, padding]) {
  const outputSize = Math.floor((h + 2 * padding - r) / stride) + 1;
  const work = 2 * n * k * c * r * r * outputSize ** 2;
  const shapes = { x: [n, c, h, h], w: [k, c, r, r], y: [n, k, outputSize, outputSize] };
  return ['fwd', 'bwd-data', 'bwd-weights'].map((direction) =>
    kernel(`conv-${name}-${direction}`, 'GFLOP/s', work, {
      type: 'conv',
      direction,
      ...shapes,
      stride,
      padding,
    }),
  );
}

const normShape = [128, 64, 32, 32];
const normBytes = 4 * normShape.reduce((a, b) => a * b, 1);
const adamSize = 11_700_000;

const kernels = [
  ...[256, 512, 1024, 2048].map(sgemm),
  ...convolutions('c1', [16, 64, 56, 64, 3, 1, 1]),
  ...convolutions('c2', [16, 128, 28, 128, 3, 1, 1]),
  ...convolutions('c3', [16, 256, 14, 256, 3, 1, 1]),
  ...convolutions('c4', [16, 512, 7, 512, 3, 1, 1]),
  ...convolutions('c5', [16, 3, 224, 64, 7, 2, 3]),
  ...convolutions('c6', [16, 64, 56, 128, 1, 2, 0]),
  ...convolutions('c7', [128, 64, 32, 64, 3, 1, 1]),
  // Passes over a tensor: x twice and y; dy and x twice, and dx. Adam reads w, g, m, v and writes w, m, v.
  kernel('bn-fwd', 'GB/s', 3 * normBytes, { type: 'norm', direction: 'fwd', shape: normShape }),
  kernel('bn-bwd', 'GB/s', 5 * normBytes, { type: 'norm', direction: 'bwd', shape: normShape }),
  kernel('adam-11.7M', 'GB/s', 7 * 4 * adamSize, { type: 'adam', size: adamSize }),
];

/** @type {readonly Item[]} */
const items = [
  train('mlp', 128, sgd(0.01, 0.9, 0)),
  train('lenet', 64, adam),
  train('vggs', 128, sgd(0.01, 0.9, 5e-4)),
  train('resnet20', 128, sgd(0.01, 0.9, 1e-4)),
  train('resnet18', 16, sgd(0.01, 0.9, 1e-4)),
  train('mobilenetV2', 16, sgd(0.01, 0.9, 1e-4)),
  train('efficientnetLite0', 16, sgd(0.01, 0.9, 1e-4)),
  train('tanh6', 16, sgd(1e-6, 0, 0)),
  infer('lenet', 1),
  infer('resnet18', 1),
  infer('resnet18', 16),
  infer('vggs', 128),
  infer('mobilenetV2', 1),
  infer('mobilenetV2', 16),
  infer('efficientnetLite0', 1),
  infer('efficientnetLite0', 16),
  ...kernels,
];

module.exports = { items };
