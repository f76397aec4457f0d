'use strict';

/**
 * The arithmetic of an item: floating-point operations of its convolutions and linear layers, as every system
 * must do them.
 */

/** Multiply-adds of the layers in turn, for one example; also returns the shape after them. */
function walk(layers, shape, counts) {
  for (const layer of layers) shape = step(layer, shape, counts);
  return shape;
}

const outputSize = (input, { kernel, stride, padding }) =>
  Math.floor((input + 2 * padding - kernel) / stride) + 1;

/** Height and width after a layer whose `padding` is above, below, on the left and on the right. */
const paddedSize = (height, width, { kernel, stride, padding: [top, bottom, left, right] }) => [
  Math.floor((height + top + bottom - kernel) / stride) + 1,
  Math.floor((width + left + right - kernel) / stride) + 1,
];

function step(layer, shape, counts) {
  const [channels, height, width] = shape;
  switch (layer.type) {
    case 'linear':
      counts.push(layer.input * layer.output);
      return [layer.output];
    case 'conv': {
      const size = [outputSize(height, layer), outputSize(width, layer)];
      counts.push(size[0] * size[1] * layer.output * layer.input * layer.kernel ** 2);
      return [layer.output, ...size];
    }
    case 'paddedConv': {
      const size = paddedSize(height, width, layer);
      counts.push(size[0] * size[1] * layer.output * layer.input * layer.kernel ** 2);
      return [layer.output, ...size];
    }
    case 'depthwise': {
      const size = paddedSize(height, width, layer);
      counts.push(size[0] * size[1] * layer.channels * layer.kernel ** 2);
      return [layer.channels, ...size];
    }
    case 'inverted':
      return walk(layer.main, shape, counts);
    case 'maxPool':
      return [channels, outputSize(height, layer), outputSize(width, layer)];
    case 'globalAveragePool':
      return [channels, 1, 1];
    case 'flatten':
      return [shape.reduce((a, b) => a * b, 1)];
    case 'residual':
      walk(layer.shortcut, shape, counts);
      return walk(layer.main, shape, counts);
    default:
      return shape;
  }
}

/**
 * Floating-point operations of one step of the item. Training does each layer three times (forward, and the
 * gradients of input and weights), but the first layer's input has no gradient.
 */
function flopsOf(item) {
  if (item.layers === undefined) return item.unit === 'GFLOP/s' ? item.work : undefined;
  const counts = [];
  walk(item.layers, item.input, counts);
  const macs = counts.reduce((a, b) => a + b, 0);
  return item.batch * (item.kind === 'train' ? 6 * macs - 2 * counts[0] : 2 * macs);
}

module.exports = { flopsOf };
