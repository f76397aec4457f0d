'use strict';

/**
 * The arithmetic of an item: floating-point operations of its convolutions and linear layers, as every system
 * must do them, and the least time that they can take.
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

/** Bytes that a kernel must move at least: its operands, once. Networks have none of this count. */
function bytesOf(item, precision) {
  if (item.unit === 'GB/s') return item.work;
  const { type, n, x, w, y } = item.kernel ?? {};
  const shapes = { sgemm: [[3, n, n]], conv: [x, w, y] }[type];
  const numbers = shapes?.map((shape) => shape.reduce((a, b) => a * b, 1)).reduce((a, b) => a + b, 0);
  return numbers === undefined ? undefined : numbers * (precision === 'bf16' ? 2 : 4);
}

/** As `tenon bench` does: what fits the last-level cache of most machines may come from there. */
function bandwidth({ memory, cache }, bytes) {
  const fromMemory = Math.max(memory.plain, memory.streaming);
  return bytes > cache.bytes ? fromMemory : Math.max(fromMemory, cache.plain, cache.streaming);
}

/**
 * The least milliseconds of one step by this machine's peaks: the roofline (Williams, Waterman,
 * Patterson 2009).
 */
function leastMs(item, precision, peaks) {
  const [flops = 0, bytes = 0] = [flopsOf(item), bytesOf(item, precision)];
  const computing = flops / (precision === 'bf16' ? peaks.bf16Gflops : peaks.gflops);
  return Math.max(computing, bytes === 0 ? 0 : bytes / bandwidth(peaks, bytes)) / 1e6;
}

module.exports = { flopsOf, leastMs };
