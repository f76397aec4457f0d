'use strict';

/**
 * TensorFlow.js: `node tfjs.js cpu`, `node tfjs.js wasm`, or `node tfjs.js wasm --shim`, which adds the
 * gradient of convolution weights that the wasm backend lacks. Activations are N, H, W, C, its native order.
 */
const tf = require('@tensorflow/tfjs');
const { serve, Unsupported } = require('../lib/child');
const { normal, labels } = require('../lib/random');

const epsilon = 1e-5;
const statisticsMomentum = 0.1;

/** Makes variables and the function over them; `variables` collects the trainable ones. */
function buildLayer(layer, variables, seed) {
  const variable = (shape, scale) => {
    const values = normal(tf.util.sizeFromShape(shape), seed.next++, scale);
    const made = tf.variable(tf.tensor(values, shape));
    variables.push(made);
    return made;
  };
  switch (layer.type) {
    case 'linear': {
      const weight = variable([layer.input, layer.output], layer.input ** -0.5);
      const bias = variable([layer.output], 0);
      return (x) => tf.add(tf.matMul(x, weight), bias);
    }
    case 'conv': {
      const { input, output, kernel, stride, padding } = layer;
      const filter = variable([kernel, kernel, input, output], (input * kernel * kernel) ** -0.5);
      const bias = layer.bias ? variable([output], 0) : undefined;
      return (x) => {
        const y = tf.conv2d(x, filter, stride, padding);
        return bias === undefined ? y : tf.add(y, bias);
      };
    }
    case 'batchNorm':
      return buildBatchNorm(layer.channels, variable);
    case 'maxPool':
      return (x) => tf.maxPool(x, layer.kernel, layer.stride, layer.padding);
    case 'globalAveragePool':
      return (x) => tf.mean(x, [1, 2]);
    case 'flatten':
      return (x) => tf.reshape(x, [x.shape[0], -1]);
    case 'relu':
      return (x) => tf.relu(x);
    case 'tanh':
      return (x) => tf.tanh(x);
    case 'dropout':
      return (x, training) => (training ? tf.dropout(x, layer.p) : x);
    case 'residual': {
      const main = buildModel(layer.main, variables, seed);
      const shortcut = buildModel(layer.shortcut, variables, seed);
      return (x, training) => tf.relu(tf.add(main(x, training), shortcut(x, training)));
    }
    default:
      throw new Unsupported(`layer ${layer.type}`);
  }
}

function buildBatchNorm(channels, variable) {
  const gamma = variable([channels], 0.1);
  const beta = variable([channels], 0);
  const runningMean = tf.variable(tf.zeros([channels]), false);
  const runningVariance = tf.variable(tf.ones([channels]), false);
  const blend = (running, value) =>
    running.assign(tf.add(tf.mul(running, 1 - statisticsMomentum), tf.mul(value, statisticsMomentum)));
  return (x, training) => {
    if (!training) return tf.batchNorm(x, runningMean, runningVariance, beta, gamma, epsilon);
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    blend(runningMean, mean);
    blend(runningVariance, variance);
    return tf.batchNorm(x, mean, variance, beta, gamma, epsilon);
  };
}

function buildModel(layers, variables, seed = { next: 10 }) {
  const stages = layers.map((layer) => buildLayer(layer, variables, seed));
  return (x, training) => stages.reduce((y, stage) => stage(y, training), x);
}

function makeOptimizer({ type, lr, momentum }) {
  if (type === 'adam') return tf.train.adam(lr);
  return momentum > 0 ? tf.train.momentum(lr, momentum) : tf.train.sgd(lr);
}

function trainingStep(item, model, variables, x) {
  const optimizer = makeOptimizer(item.optimizer);
  const decay = item.optimizer.weightDecay;
  const targets =
    item.classes > 0
      ? tf.oneHot(tf.tensor1d(labels(item.batch, item.classes, 2), 'int32'), item.classes)
      : undefined;
  const loss = () => {
    const y = model(x, true);
    return targets === undefined ? tf.sum(tf.square(y)) : tf.losses.softmaxCrossEntropy(targets, y);
  };
  return () =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss, variables);
      const decayed = variables.map((v) => {
        const g = grads[v.name];
        return { name: v.name, tensor: decay > 0 ? tf.add(g, tf.mul(v, decay)) : g };
      });
      optimizer.applyGradients(decayed);
      return value.dataSync()[0];
    });
}

/** Gradient of convolution weights by one matrix product per filter tap, in TensorFlow.js's own ops. */
function filterGradient(dy, x, { strides, pad }, [kernelHeight, kernelWidth, input, output]) {
  const [batch, height, width] = dy.shape;
  const [strideHeight, strideWidth] = Array.isArray(strides) ? strides : [strides, strides];
  const padded = tf.pad(x, [
    [0, 0],
    [pad, pad],
    [pad, pad],
    [0, 0],
  ]);
  const rows = tf.reshape(dy, [-1, output]);
  const taps = [];
  for (let r = 0; r < kernelHeight; r++) {
    for (let s = 0; s < kernelWidth; s++) {
      const end = [batch, r + (height - 1) * strideHeight + 1, s + (width - 1) * strideWidth + 1, input];
      const seen = tf.stridedSlice(padded, [0, r, s, 0], end, [1, strideHeight, strideWidth, 1]);
      taps.push(tf.matMul(tf.reshape(seen, [-1, input]), rows, true, false));
    }
  }
  return tf.reshape(tf.stack(taps), [kernelHeight, kernelWidth, input, output]);
}

function installShim() {
  const original = tf.getGradient('Conv2D');
  const gradFunc = (dy, saved, attributes) => {
    const [x, filter] = saved;
    const ours = () => filterGradient(dy, x, attributes, filter.shape);
    return { ...original.gradFunc(dy, saved, attributes), filter: ours };
  };
  tf.unregisterGradient('Conv2D');
  tf.registerGradient({ ...original, gradFunc });
}

function checkSupported(item, backend) {
  const layers = JSON.stringify(item.layers);
  if (
    item.kind === 'train' &&
    layers.includes('"conv"') &&
    tf.getKernel('Conv2DBackpropFilter', backend) === undefined
  ) {
    throw new Unsupported(
      `the ${backend} backend has no kernel for the gradient of convolution weights (Conv2DBackpropFilter)`,
    );
  }
}

async function prepare(item) {
  const backend = process.argv[2];
  if (backend === 'wasm') require('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend(backend);
  await tf.ready();
  const shim = process.argv.includes('--shim');
  if (shim) installShim();
  else checkSupported(item, backend);
  const variables = [];
  const model = buildModel(item.layers, variables);
  const [channels, height, width] = item.input;
  const shape = item.input.length === 3 ? [item.batch, height, width, channels] : [item.batch, ...item.input];
  const x = tf.tensor(normal(tf.util.sizeFromShape(shape), 1), shape);
  const notes = ['1 thread: its CPU backends start none in Node'];
  if (shim) notes.push('gradient of convolution weights added by this benchmark');
  const infer = () => tf.tidy(() => model(x, false).dataSync());
  const version = tf.version.tfjs;
  if (item.kind === 'infer') return { version, notes, step: infer };
  return { version, notes, step: trainingStep(item, model, variables, x), loss: Number };
}

serve(prepare);
