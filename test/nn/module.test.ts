import { DTypeError, OptionError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { Signature } from '../../lib/nn/signature';
import { withTarget } from '../../lib/tensor/target';
import { tensor, type Tensor } from '../../lib/tensor/tensor';

class Tied extends nn.Module {
  readonly first = nn.linear(4, 4, { bias: false });
  readonly blocks = [nn.linear(4, 3), nn.linear(3, 4)];
  readonly scale = nn.parameter([1], nn.init.constant(2));
  readonly seen = nn.buffer([2], 5);
  readonly last = nn.linear(4, 4, { bias: false });
  depth = 1;

  constructor() {
    super();
    Object.assign(this.last, { weight: this.first.weight });
  }

  override forward(x: Tensor): Tensor {
    let y = this.first.forward(x);
    for (let i = 0; i < this.depth; i++) y = ops.relu(y);
    for (const block of this.blocks) y = block.forward(y);
    return ops.mul(this.last.forward(y), this.scale);
  }
}

const names = [
  'scale',
  'seen',
  'first.weight',
  'blocks.0.weight',
  'blocks.0.bias',
  'blocks.1.weight',
  'blocks.1.bias',
];

test('names follow the fields; a tied parameter has one and an alias', () => {
  const model = new Tied();
  const { tensors, aliases, modules } = model.tree();
  expect([...tensors.keys()]).toEqual(names);
  expect([...aliases]).toEqual([['last.weight', 'first.weight']]);
  expect([...modules.keys()]).toEqual(['', 'first', 'blocks.0', 'blocks.1', 'last']);
  expect([...model.namedBuffers().keys()]).toEqual(['seen']);
  expect([...model.seen.dataSync()]).toEqual([5, 5]);
  expect(model.parameters()).toHaveLength(6);
});

test('weights are a function of seed and name', () => {
  const weight = (m: nn.Module): number[] => [...m.namedParameters().get('blocks.0.weight')!.dataSync()];
  const a = weight(new Tied().initialize({ seed: 3 }));
  expect(weight(new Tied().initialize({ seed: 3 }))).toEqual(a);
  expect(weight(new Tied().initialize({ seed: 4 }))).not.toEqual(a);
  expect(weight(new Tied())).toEqual(weight(new Tied().initialize()));
  expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(0.5);
  expect(() => new Tied().initialize({ seed: -1 })).toThrow('seed must be an integer of at least 0');
});

test('a drawing that fails leaves values and initializers as they were', () => {
  const net = nn.sequential(nn.linear(3, 2), nn.batchNorm1d(2));
  const bytes = (model: nn.Module): number[][] => model.parameters().map((p) => [...p.dataSync()]);
  const wrong = (): void => {
    // Without their calls these are not initializers.
    expect(() => net.initialize({ weights: nn.init.heNormal as never })).toThrow(OptionError);
    const notCalled = { weights: nn.init.zeros as never };
    expect(() => net.initialize(notCalled)).toThrow(DTypeError);
    expect(() => net.initialize(notCalled)).toThrow(
      "initialize: what the initializer of '0.weight' returns must be a tensor, got a function",
    );
    expect(() => net.initialize({ biases: () => tensor([1]) })).toThrow(ShapeError);
    const rule = (name: string): 'ones' => (name === '0.bias' ? ('one' as 'ones') : 'ones');
    expect(() => net.initialize({ rule })).toThrow(OptionError);
  };
  wrong();
  expect(() => net.ensureInitialized({ weights: nn.init.heNormal as never })).toThrow(OptionError);
  expect([...net.tree().tensors.values()].some((t) => t.initialized)).toBe(false);
  const expected = bytes(nn.sequential(nn.linear(3, 2), nn.batchNorm1d(2)).initialize({ seed: 1 }));
  expect(bytes(net.ensureInitialized({ seed: 1 }))).toEqual(expected);
  wrong();
  expect(bytes(net)).toEqual(expected);
  expect(bytes(net.initialize({ seed: 1 }))).toEqual(expected);
});

test('what was replaced is drawn, the rest stays', () => {
  const model = nn.sequential(nn.linear(2, 2), nn.linear(2, 2)).initialize({ seed: 1 });
  const before = model.namedParameters().get('0.weight')!.dataSync();
  Object.assign(model.layers, { 1: nn.linear(2, 5) });
  expect(model.initialized).toBe(false);
  model.ensureInitialized({ seed: 9 });
  expect(model.namedParameters().get('1.weight')!.shape).toEqual([5, 2]);
  expect(model.namedParameters().get('0.weight')!.dataSync()).toEqual(before);
});

test('the signature follows modes, plain fields and frozen parameters, not runtime numbers', () => {
  const model = new Tied();
  const signatures = new Set([model.signature()]);
  const changed = (): void => {
    const before = signatures.size;
    signatures.add(model.signature());
    expect(signatures.size).toBe(before + 1);
  };
  model.depth = 2;
  changed();
  model.blocks[0]!.eval();
  changed();
  model.requiresGrad(false, /bias/);
  changed();
  const drop = nn.dropout(0.5);
  const before = drop.signature();
  drop.p = 0.1;
  expect(drop.signature()).toBe(before);
});

test('the kept signature is what a walk from anew gives, whatever changed', () => {
  class Net extends nn.Module {
    blocks: nn.Module[] = [nn.linear(2, 2), nn.relu()];
    sizes: unknown = [1, [2, 3]];
    extra?: unknown;
    self: nn.Module = this;
    forward(x: Tensor): Tensor {
      return x;
    }
  }
  const model = new Net();
  const isModule = (value: unknown): value is nn.Module => value instanceof nn.Module;
  const runtimeFields = (module: nn.Module) => (module.constructor as typeof nn.Module).runtimeFields;
  const fresh = (): string => new Signature<nn.Module>(model, isModule, runtimeFields).current();
  let last = '';
  const check = (changes: boolean): void => {
    expect(model.signature()).toBe(fresh());
    expect(model.signature() !== last).toBe(changes);
    last = model.signature();
  };
  check(true);
  check(false);
  ((model.sizes as unknown[])[1] as number[])[0] = 7;
  check(true);
  (model.sizes as unknown[]).push(4);
  check(true);
  model.sizes = [1, [7, 3], 4]; // another array of the same contents
  check(false);
  model.blocks.push(nn.tanh());
  check(true);
  model.blocks[0] = nn.linear(2, 2);
  check(true);
  model.extra = 1;
  check(true);
  delete model.extra;
  check(true);
  model.self = nn.relu();
  check(true);
  model.classNames = ['a', 'b'];
  check(false);
});

test('a changed field recompiles, an unchanged model does not', async () => {
  const model = new Tied().initialize();
  const run = compile((x: Tensor) => model.forward(x));
  const x = tensor([1, 2, 3, 4], [1, 4]);
  await run(x);
  await run(x);
  expect(run.profile()).toHaveLength(1);
  model.depth = 3;
  await run(x);
  expect(run.profile()).toHaveLength(2);
});

test('requiresGrad names what it did not find', () => {
  const model = new Tied();
  model.requiresGrad(false, 'blocks.1');
  expect([...model.namedParameters()].filter(([, p]) => !p.requiresGrad).map(([name]) => name)).toEqual([
    'blocks.1.weight',
    'blocks.1.bias',
  ]);
  expect(() => model.requiresGrad(false, 'frist.weight')).toThrow('did you mean "first.weight"?');
});

test('errors name the layer', () => {
  const model = nn
    .sequential(
      nn.conv2d(1, 4, { kernel: 3 }),
      nn.sequential(nn.conv2d<4, 2>(4, 2, { kernel: 3 }), nn.batchNorm2d<number>(7)),
    )
    .initialize();
  expect(() => model.forward(tensor(new Float32Array(75), [1, 3, 5, 5]))).toThrow(
    "conv2d '0': weight expects 1 input channels, x is [1, 3, 5, 5]",
  );
  expect(() => model.forward(tensor(new Float32Array(25), [1, 1, 5, 5]))).toThrow(
    "batch_norm '1.1': expects x [N, 7, H, W], got [1, 2, 1, 1]",
  );
});

test('a field called forward, and use before and after the weights exist', () => {
  class Arrow extends nn.Module {
    override forward = (x: Tensor): Tensor => x;
  }
  expect(() => new Arrow()).toThrow(TypeError);
  const model = new Tied();
  expect(() => model.forward(tensor([1, 2, 3, 4], [1, 4])).dataSync()).toThrow('model.initialize');
  model.initialize().dispose();
  expect(() => model.predictSync(new Float32Array(4), { shape: [4] })).toThrow('disposed');
});

test('the reference target keeps float64', () => {
  withTarget('ref', () => {
    const model = nn.linear(3, 2).initialize({ seed: 1 });
    expect(Object.prototype.toString.call(model.weight.dataSync())).toBe('[object Float64Array]');
  });
});

test('summary', () => {
  const model = nn.sequential(
    nn.conv2d(3, 8, { kernel: 3, padding: 1 }),
    nn.batchNorm2d(8),
    nn.relu(),
    nn.sequential(nn.flatten(), nn.linear(8 * 16, 10)),
  );
  model.requiresGrad(false, '0');
  const summary = model.summary({ inputShape: [3, 4, 4] });
  expect(summary.rows.map((r) => [r.path, r.type, r.outputShape, r.parameters])).toEqual([
    ['0', 'Conv2d', [1, 8, 4, 4], 224],
    ['1', 'BatchNorm2d', [1, 8, 4, 4], 16],
    ['2', 'ReLU', [1, 8, 4, 4], 0],
    ['3.0', 'Flatten', [1, 128], 0],
    ['3.1', 'Linear', [1, 10], 1290],
    ['3', 'Sequential', [1, 10], 1290],
  ]);
  expect(summary.parameters).toBe(224 + 16 + 1290);
  expect(summary.trainable).toBe(16 + 1290);
  expect(summary.rows[0]!.flops).toBe(2 * 27 * 8 * 16);
  expect(summary.rows[5]!.flops).toBe(summary.rows[4]!.flops);
  expect(String(summary)).toContain('1,530 parameters (1,306 trainable)');
  expect(model.training).toBe(true);
  expect(() => model.summary({ inputShape: [1, 4, 4] })).toThrow("conv2d '0'");
  expect(() => model.summary({} as never)).toThrow('inputShape must be an array');
});
