'use strict';

/**
 * tenon, by its public API: `node tenon.js [--bf16]`, of the checkout TENON_BENCH_ROOT. Training goes through
 * the low-level loop: the batch is in persistent buffers, one step is queued ahead.
 */
const path = require('node:path');
const root = process.env.TENON_BENCH_ROOT ?? path.join(__dirname, '..', '..');
const tenon = require(path.join(root, 'dist'));
const { version } = require(path.join(root, 'package.json'));
const { serve, Unsupported } = require('../lib/child');
const { normal, labels } = require('../lib/random');
const { prepareKernel } = require('./tenon-kernels');

const { compile, grad, losses, nn, ops, optim, persistent } = tenon;
const precision = process.argv.includes('--bf16') ? { precision: 'bf16' } : {};

function buildLayer(layer) {
  switch (layer.type) {
    case 'linear':
      return nn.linear(layer.input, layer.output);
    case 'conv': {
      const { kernel, stride, padding, bias } = layer;
      return nn.conv2d(layer.input, layer.output, { kernel, stride, padding, bias });
    }
    case 'batchNorm':
      return nn.batchNorm2d(layer.channels);
    case 'maxPool':
      return nn.maxPool2d(layer.kernel, { stride: layer.stride, padding: layer.padding });
    case 'globalAveragePool':
      return nn.globalAvgPool2d();
    case 'flatten':
      return nn.flatten();
    case 'relu':
      return nn.relu();
    case 'tanh':
      return nn.tanh();
    case 'dropout':
      return nn.dropout(layer.p);
    case 'relu6':
      return nn.relu6();
    case 'depthwise': {
      const { channels, kernel, stride, padding } = layer;
      return nn.depthwiseConv2d(channels, { kernel, stride, padding, bias: false });
    }
    case 'paddedConv': {
      const { kernel, stride, padding } = layer;
      return nn.conv2d(layer.input, layer.output, { kernel, stride, padding, bias: false });
    }
    case 'residual':
      return buildBlock(layer);
    case 'inverted': {
      const main = nn.sequential(...layer.main.map(buildLayer));
      return layer.adds ? nn.residual(main) : main;
    }
    default:
      throw new Unsupported(`layer ${layer.type}`);
  }
}

/** The item's residual layer is exactly nn.basicBlock: its first convolution has input, output and stride. */
function buildBlock({ main }) {
  const [{ input, output, stride }] = main;
  return nn.basicBlock(input, output, { stride });
}

function makeOptimizer({ type, lr, momentum, weightDecay }) {
  return type === 'adam' ? optim.adam({ lr, weightDecay }) : optim.sgd({ lr, momentum, weightDecay });
}

function lossOf(item) {
  if (item.classes === 0) return (y) => ops.sum(ops.mul(y, y));
  const targets = persistent(labels(item.batch, item.classes, 2));
  const crossEntropy = losses.crossEntropy();
  return (y) => crossEntropy(y, targets);
}

function trainingStep(item, model, values) {
  const x = persistent(values, [item.batch, ...item.input]);
  const optimizer = makeOptimizer(item.optimizer);
  const loss = lossOf(item);
  return compile(() => {
    const value = loss(model.forward(x));
    optimizer.update(grad(value));
    return value;
  }, precision);
}

async function prepare(item, { threads }) {
  tenon.setThreads(threads);
  if (item.kind === 'kernel') return { version, ...prepareKernel(tenon, item.kernel, precision) };
  const model = nn.sequential(...item.layers.map(buildLayer)).initialize({ seed: 1 });
  const values = normal(
    item.input.reduce((a, b) => a * b, item.batch),
    1,
  );
  if (item.kind === 'train') {
    return {
      version,
      step: trainingStep(item, model, values),
      queued: true,
      loss: (value) => value.itemSync(),
    };
  }
  model.eval();
  const options = { shape: item.input, output: 'logits', batchSize: item.batch, ...precision };
  return { version, step: () => model.predictSync(values, options) };
}

serve(prepare);
