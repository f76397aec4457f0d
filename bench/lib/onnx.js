'use strict';

/**
 * Writes the layers of an item as an ONNX model (opset 17) with random weights, in memory. ONNX files are
 * protocol buffers; the few messages needed (onnx.proto3: ModelProto, GraphProto, NodeProto, AttributeProto,
 * TensorProto, ValueInfoProto) are encoded here.
 */
const { normal } = require('./random');

const float32 = 1;
const attributeInt = 2;
const attributeInts = 7;

function varint(value) {
  const bytes = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

const integer = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);

/** A length-delimited field: text, bytes or the parts of a message. */
function bytes(field, ...parts) {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
}

function attribute(name, value) {
  const content = Array.isArray(value)
    ? [...value.map((v) => integer(8, v)), integer(20, attributeInts)]
    : [integer(3, value), integer(20, attributeInt)];
  return bytes(5, bytes(1, name), ...content);
}

function valueInfo(field, name, shape) {
  const dims = shape.map((size) => bytes(1, integer(1, size)));
  return bytes(field, bytes(1, name), bytes(2, bytes(1, integer(1, float32), bytes(2, ...dims))));
}

class GraphWriter {
  constructor() {
    this.nodes = [];
    this.initializers = [];
    this.count = 0;
  }

  weight(shape, scale, offset = 0) {
    const name = `w${this.count++}`;
    const values = normal(
      shape.reduce((a, b) => a * b, 1),
      this.count,
      scale,
    ).map((v) => v + offset);
    const raw = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    const dims = shape.map((size) => integer(1, size));
    this.initializers.push(bytes(5, ...dims, integer(2, float32), bytes(8, name), bytes(9, raw)));
    return name;
  }

  node(operator, inputs, attributes = {}) {
    const output = `t${this.count++}`;
    const fields = [...inputs.map((name) => bytes(1, name)), bytes(2, output), bytes(4, operator)];
    const attrs = Object.entries(attributes).map(([name, value]) => attribute(name, value));
    this.nodes.push(bytes(1, ...fields, ...attrs));
    return output;
  }

  /** Adds layers after the value named `x`; returns the name of what they give. */
  layers(layers, x) {
    return layers.reduce((name, layer) => this.layer(layer, name), x);
  }

  layer(layer, x) {
    switch (layer.type) {
      case 'linear': {
        const weight = this.weight([layer.output, layer.input], layer.input ** -0.5);
        return this.node('Gemm', [x, weight, this.weight([layer.output], 0)], { transB: 1 });
      }
      case 'conv':
        return this.conv(layer, x);
      case 'batchNorm': {
        const c = [layer.channels];
        const statistics = [
          this.weight(c, 0, 1),
          this.weight(c, 0),
          this.weight(c, 0.1),
          this.weight(c, 0, 1),
        ];
        return this.node('BatchNormalization', [x, ...statistics]);
      }
      case 'maxPool':
        return this.node('MaxPool', [x], window(layer));
      case 'globalAveragePool':
        return this.node('GlobalAveragePool', [x]);
      case 'flatten':
        return this.node('Flatten', [x]);
      case 'relu':
        return this.node('Relu', [x]);
      case 'tanh':
        return this.node('Tanh', [x]);
      case 'dropout':
        return x;
      case 'relu6':
        return this.node('Clip', [x, this.weight([], 0, 0), this.weight([], 0, 6)]);
      case 'depthwise': {
        const { channels, kernel } = layer;
        const weight = this.weight([channels, 1, kernel, kernel], 1 / kernel);
        return this.node('Conv', [x, weight], { ...window(layer), group: channels });
      }
      case 'paddedConv':
        return this.conv(layer, x);
      case 'inverted': {
        const y = this.layers(layer.main, x);
        return layer.adds ? this.node('Add', [y, x]) : y;
      }
      case 'residual':
        return this.node('Relu', [
          this.node('Add', [this.layers(layer.main, x), this.layers(layer.shortcut, x)]),
        ]);
      default:
        throw new Error(`onnx: no layer ${layer.type}`);
    }
  }

  conv(layer, x) {
    const { input, output, kernel } = layer;
    const operands = [x, this.weight([output, input, kernel, kernel], (input * kernel * kernel) ** -0.5)];
    if (layer.bias) operands.push(this.weight([output], 0));
    return this.node('Conv', operands, window(layer));
  }
}

/** ONNX has the paddings before the image first. */
function window({ kernel, stride, padding }) {
  const [top, bottom, left, right] = Array.isArray(padding) ? padding : new Array(4).fill(padding);
  return { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [top, left, bottom, right] };
}

/** The model's bytes; its input is `x`. Output name: see `output`. */
function onnxModel(item) {
  const writer = new GraphWriter();
  const output = writer.layers(item.layers, 'x');
  const inputs = valueInfo(11, 'x', [item.batch, ...item.input]);
  const outputs = valueInfo(12, output, [item.batch, item.classes]);
  const graph = bytes(7, ...writer.nodes, bytes(2, item.name), ...writer.initializers, inputs, outputs);
  const opset = bytes(8, bytes(1, ''), integer(2, 17));
  return { model: Buffer.concat([integer(1, 8), opset, graph]), output };
}

module.exports = { onnxModel };
