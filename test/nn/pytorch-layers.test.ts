import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as losses from '../../lib/losses';
import * as nn from '../../lib/nn';
import { mul, sum } from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { values as expected } from '../fixtures/layers.json';
import { symmetric, uniform } from '../fixtures/numbers';
import { expectClose } from '../ops/support';

const size = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

const makers: Record<keyof typeof expected.layers, () => nn.Module> = {
  conv1d: () => nn.conv1d(4, 6, { kernel: 3, stride: 2, padding: 2, dilation: 2, groups: 2 }),
  convTranspose1d: () =>
    nn.convTranspose1d(4, 6, { kernel: 3, stride: 3, padding: 1, outputPadding: 1, groups: 2 }),
  convTranspose2d: () =>
    nn.convTranspose2d(4, 6, { kernel: [3, 2], stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
  depthwise: () => nn.depthwiseConv2d(4, { kernel: 3, padding: 1, multiplier: 2 }),
  adaptiveAvgPool2d: () => nn.adaptiveAvgPool2d([3, 7]),
  adaptiveMaxPool2d: () => nn.adaptiveMaxPool2d([3, 2]),
  prelu: () => nn.prelu({ features: 4 }),
  leakyRelu: nn.leakyRelu,
  elu: nn.elu,
  gelu: nn.gelu,
  geluTanh: () => nn.gelu({ approximate: 'tanh' }),
  silu: nn.silu,
  relu6: nn.relu6,
  softplus: nn.softplus,
  mish: nn.mish,
  selu: nn.selu,
  logSigmoid: nn.logSigmoid,
  softsign: nn.softsign,
  hardTanh: nn.hardTanh,
  hardSigmoid: nn.hardSigmoid,
  hardSwish: nn.hardSwish,
  softmax: nn.softmax,
  logSoftmax: nn.logSoftmax,
  tanh: nn.tanh,
  sigmoid: nn.sigmoid,
};

test.each(Object.keys(makers) as (keyof typeof makers)[])(
  '%s gives the outputs and gradients of PyTorch',
  async (name) => {
    const { x: shape, scale, shape: outputs, y, dx, dp } = expected.layers[name];
    const layer = makers[name]().initialize();
    const parameters = layer.parameters();
    parameters.forEach((p, i) => p.storage.writeSync(symmetric(p.size, i + 1, 1)));
    const step = compile((x: Tensor) => {
      const out = layer.forward(x);
      const loss = sum(mul(out, tensor(symmetric(size(outputs), 999, 1), outputs)));
      return [out, ...grad(loss, [x, ...parameters])];
    });
    const run = await step(tensor(symmetric(size(shape), 100, scale), shape));
    const all = await Promise.all(run.map((t) => t.data()));
    expect(run[0]!.shape).toEqual(outputs);
    [y, dx, ...dp].forEach((values, i) => expectClose(all[i]!, values, 2e-6, `value ${i}`));
  },
);

const positiveWeight = [1, 2, 0.5, 3, 1.5];
const makeLoss: Record<string, (options: losses.ReductionOptions) => losses.Loss> = {
  crossEntropy: losses.crossEntropy,
  'crossEntropy soft': (o) => losses.crossEntropy({ ...o, labelSmoothing: 0.2 }),
  hinge: losses.hinge,
  'hinge squared': (o) => losses.hinge({ ...o, p: 2, margin: 0.5 }),
  binaryCrossEntropy: losses.binaryCrossEntropy,
  binaryCrossEntropyWithLogits: losses.binaryCrossEntropyWithLogits,
  'binaryCrossEntropyWithLogits weighted': (o) =>
    losses.binaryCrossEntropyWithLogits({ ...o, positiveWeight }),
  mse: losses.mse,
  l1: losses.l1,
  huber: (o) => losses.huber({ ...o, delta: 0.7 }),
  smoothL1: (o) => losses.smoothL1({ ...o, beta: 0.7 }),
};

/** As loss() in make_layers.py makes them. */
function operands(kind: string, shape: readonly number[]): [Tensor, Tensor] {
  const n = size(shape);
  const labels = (): Tensor => tensor(Int32Array.from({ length: shape[0]! }, (_, i) => i % 5));
  const soft = (): Tensor =>
    tensor(
      symmetric(n, 200, 0.5).map((v) => v + 0.5),
      shape,
    );
  const scores = tensor(symmetric(n, 100, kind === 'binaryCrossEntropyWithLogits' ? 6 : 2), shape);
  if (kind === 'binaryCrossEntropy') return [tensor(uniform(n, 100), shape), soft()];
  if (kind.startsWith('binary') || kind.endsWith('soft')) return [scores, soft()];
  if (kind.startsWith('hinge') || kind === 'crossEntropy') return [scores, labels()];
  return [scores, tensor(symmetric(n, 200, 2), shape)];
}

test.each(Object.keys(expected.losses) as (keyof typeof expected.losses)[])(
  'losses.%s gives the value and gradient of PyTorch',
  async (name) => {
    const { x: shape, y, dx } = expected.losses[name];
    const at = name.lastIndexOf(' ');
    const kind = name.slice(0, at);
    const loss = makeLoss[kind]!({ reduction: name.slice(at + 1) as losses.Reduction });
    const [inputs, targets] = operands(kind, shape);
    const step = compile((x: Tensor, t: Tensor) => {
      const value = loss(x, t);
      return [value, ...grad(sum(value), [x])];
    });
    const [value, gradient] = await step(inputs, targets);
    expectClose(await value!.data(), y, 1e-6, 'loss');
    expectClose(await gradient!.data(), dx, 1e-6, 'gradient');
  },
);
