import { FormatError, NonFiniteError, OptionError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as losses from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { values as cases } from '../fixtures/optimizers.json';
import { fill, symmetric, values } from '../fixtures/numbers';

function make(kind: string, options: object): optim.Optimizer {
  if (kind === 'sgd') return optim.sgd(options as optim.SgdOptions);
  return kind === 'adam' ? optim.adam(options) : optim.adamw(options);
}

const mse = losses.mse();

function trainer(optimizer: optim.Optimizer, model: nn.Module = nn.linear(5, 3)) {
  fill(model);
  const step = compile((x: Tensor, y: Tensor) => {
    const loss = mse(model.forward(x), y);
    optimizer.update(grad(loss));
    return loss;
  });
  const x = tensor(symmetric(40, 100, 2), [8, 5]);
  const y = tensor(symmetric(24, 101, 3), [8, 3]);
  return { model, step, x, y };
}

test.each(Object.entries(cases))(
  '%s equals PyTorch over 20 steps',
  async (_, { kind, options, losses: curve, weight, bias }) => {
    const { model, step, x, y } = trainer(make(kind, options));
    const found: number[] = [];
    for (let i = 0; i < 20; i++) found.push(await (await step(x, y)).item());
    const state = values(model);
    const close = (a: number[], b: number[]): void =>
      a.forEach((v, i) => expect(Math.abs(v - b[i]!)).toBeLessThan(2e-5 * (1 + Math.abs(b[i]!))));
    close(found, curve);
    close(state.weight!, weight);
    close(state.bias!, bias);
  },
);

test('groups, and rates changed between steps, compile nothing anew', async () => {
  const optimizer = optim.sgd({ lr: 0.1, groups: [{ match: 'bias', lr: 0 }] });
  const { model, step, x, y } = trainer(optimizer);
  await step(x, y);
  expect(values(model).bias).toEqual([0, 0, 0]);
  const before = values(model).weight;
  optimizer.lrFactor = 0;
  await step(x, y);
  expect(values(model).weight).toEqual(before);
  optimizer.lrFactor = 1;
  await step(x, y);
  expect(values(model).weight).not.toEqual(before);
  expect(step.profile()).toHaveLength(1);
});

test('frozen parameters stay, and freeing them recompiles', async () => {
  const { model, step, x, y } = trainer(optim.sgd({ lr: 0.1 }));
  model.requiresGrad(false, 'weight');
  const before = values(model);
  await step(x, y);
  expect(values(model).weight).toEqual(before.weight);
  expect(values(model).bias).not.toEqual(before.bias);
  model.requiresGrad(true);
  await step(x, y);
  expect(values(model).weight).not.toEqual(before.weight);
});

test('a step that is not finite commits nothing until the guard is reset', async () => {
  const optimizer = optim.adam({ lr: 0.1 });
  const { model, step, x, y } = trainer(optimizer);
  await step(x, y);
  const before = values(model);
  const bad = tensor(new Float32Array(40).fill(Infinity), [8, 5]);
  await expect(step(bad, y)).rejects.toThrow(NonFiniteError);
  await expect(step(x, y)).rejects.toThrow(NonFiniteError);
  expect(values(model)).toEqual(before);
  expect(optimizer.step).toBe(1);
  optimizer.resetGuard();
  await step(x, y);
  expect(optimizer.step).toBe(2);
  expect(values(model)).not.toEqual(before);
});

const everyRule: [string, () => optim.Optimizer, string[]][] = [
  ['sgd', () => optim.sgd({ lr: 0.1, momentum: 0.9 }), ['momentum_buffer']],
  ['adagrad', () => optim.adagrad({ lr: 0.1, lrDecay: 0.1, initialAccumulator: 0.1 }), ['sum']],
  [
    'rmsprop',
    () => optim.rmsprop({ centred: true, momentum: 0.9 }),
    ['grad_avg', 'momentum_buffer', 'square_avg'],
  ],
  ['adam', () => optim.adam({ lr: 0.1 }), ['exp_avg', 'exp_avg_sq']],
  ['amsgrad', () => optim.adamw({ lr: 0.1, amsgrad: true }), ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq']],
  ['nadam', () => optim.nadam({ lr: 0.1 }), ['exp_avg', 'exp_avg_sq']],
  ['lars', () => optim.lars({ lr: 0.1, momentum: 0.9, velocity: 'steps' }), ['momentum_buffer']],
  ['lamb', () => optim.lamb({ lr: 0.1 }), ['exp_avg', 'exp_avg_sq']],
];

test.each(everyRule)('a saved state of %s goes on with the same bits', async (_, make_, slots) => {
  const first = make_();
  const a = trainer(first);
  for (let i = 0; i < 3; i++) await a.step(a.x, a.y);
  const { step, tensors } = first.state();
  expect([...tensors.keys()]).toEqual(slots.flatMap((slot) => [`${slot}/bias`, `${slot}/weight`]));
  const copies = new Map([...tensors].map(([k, t]) => [k, { shape: t.shape, data: t.dataSync() }]));
  const second = make_();
  const b = trainer(second);
  for (const [name, p] of b.model.namedParameters())
    p.storage.writeSync(a.model.namedParameters().get(name)!.dataSync());
  await second.loadState({ step, tensors: copies });
  for (let i = 0; i < 2; i++) {
    await a.step(a.x, a.y);
    await b.step(b.x, b.y);
  }
  expect(values(b.model)).toEqual(values(a.model));
  const load = (key: string, length: number): Promise<void> =>
    second.loadState({
      step: 1,
      tensors: new Map([[key, { shape: [length], data: new Float32Array(length) }]]),
    });
  const key = `${slots[0]!}/bias`;
  await expect(load(key, 4)).rejects.toThrow(`optimizer state '${key}': expected [3], got [4]`);
  await expect(load('other/bias', 3)).rejects.toThrow(FormatError);
});

describe('accumulation', () => {
  const rows = (from: number, count: number): [Tensor, Tensor] => [
    tensor(symmetric(40, 100, 2).slice(5 * from, 5 * (from + count)), [count, 5]),
    tensor(symmetric(24, 101, 3).slice(3 * from, 3 * (from + count)), [count, 3]),
  ];

  function accumulating(optimizer: optim.Optimizer) {
    const model = nn.linear(5, 3);
    fill(model);
    const record = (x: Tensor, y: Tensor) => grad(mse(model.forward(x), y));
    const add = compile((x: Tensor, y: Tensor) => optimizer.accumulate(record(x, y), x.shape[0]!));
    const update = compile((x: Tensor, y: Tensor) =>
      optimizer.update(record(x, y), { samples: x.shape[0]! }),
    );
    return { model, add, update };
  }

  test.each(everyRule)('%s: small batches of any sizes make the step of the large one', async (_, make_) => {
    const whole = trainer(make_());
    const { model, add, update } = accumulating(make_());
    for (let i = 0; i < 3; i++) {
      await whole.step(whole.x, whole.y);
      await add(...rows(0, 3));
      await add(...rows(3, 4));
      await update(...rows(7, 1));
    }
    const expected = values(whole.model);
    for (const [name, found] of Object.entries(values(model)))
      found.forEach((v, i) => expect(Math.abs(v - expected[name]![i]!)).toBeLessThan(2e-6));
  });

  test('a batch that is not finite discards what was waiting', async () => {
    const optimizer = optim.sgd({ lr: 0.1 });
    const { model, add, update } = accumulating(optimizer);
    const before = values(model);
    await add(...rows(0, 4));
    const bad = tensor(new Float32Array(20).fill(NaN), [4, 5]);
    await expect(add(bad, rows(0, 4)[1])).rejects.toThrow(NonFiniteError);
    expect(values(model)).toEqual(before);
    optimizer.resetGuard();
    await update(...rows(0, 8));
    const whole = trainer(optim.sgd({ lr: 0.1 }));
    await whole.step(whole.x, whole.y);
    expect(values(model)).toEqual(values(whole.model));
  });

  test('bad calls', () => {
    const optimizer = optim.sgd({ lr: 0.1 });
    const model = nn.linear(5, 3).initialize({ seed: 1 });
    const record = (samples: number) =>
      compile((x: Tensor, y: Tensor) => optimizer.accumulate(grad(mse(model.forward(x), y)), samples));
    expect(() => record(0).runSync(...rows(0, 2))).toThrow('samples must be a positive integer');
    expect(() => optimizer.accumulate(undefined as never, 1)).toThrow('optimizer.accumulate: call it');
  });
});

test('a rate or a number that became NaN or negative is refused before anything runs', async () => {
  const optimizer = optim.adam({ lr: 0.1 });
  const { model, step, x, y } = trainer(optimizer);
  const before = values(model);
  optimizer.lr = NaN;
  await expect(step(x, y)).rejects.toThrow('optim.adam: lr must be a finite number of at least 0, got NaN');
  optimizer.lr = 0.1;
  optimizer.lrFactor = -1;
  await expect(step(x, y)).rejects.toThrow(OptionError);
  optimizer.lrFactor = 1;
  optimizer.betas = [0.9, 1];
  await expect(step(x, y)).rejects.toThrow('betas[1] must be a number from 0 to below 1');
  optimizer.betas = [0.9, 0.999];
  expect([values(model), optimizer.step]).toEqual([before, 0]);
  await step(x, y);
  expect(values(model)).not.toEqual(before);
});

test('bad options', () => {
  expect(() => optim.sgd({ lr: NaN })).toThrow(
    'optim.sgd: lr must be a finite number of at least 0, got NaN',
  );
  expect(() => optim.sgd({ lr: 0.1, nesterov: true })).toThrow('nesterov needs a momentum');
  expect(() => optim.sgd({ lr: 0.1, momentun: 0.9 } as optim.SgdOptions)).toThrow('did you mean "momentum"?');
  expect(() => optim.adam({ betas: [0.9, 1] })).toThrow('betas[1] must be a number from 0 to below 1');
  expect(() => optim.adam({ clipNorm: 0 })).toThrow('clipNorm');
  expect(() => optim.adam({ clipValue: -1 })).toThrow('clipValue');
  expect(() => optim.adam({ eps: NaN })).toThrow('eps');
  expect(() => optim.adam({ amsgrad: 1 as never })).toThrow('amsgrad');
  expect(() => optim.sgd({ lr: 0.1, velocity: 'step' as never })).toThrow('did you mean "steps"?');
  expect(() => optim.sgd({ lr: -1 })).toThrow('lr');
  expect(() => optim.adagrad({ lrDecay: -1 })).toThrow('lrDecay');
  expect(() => optim.adagrad({ initialAccumulator: NaN })).toThrow('initialAccumulator');
  expect(() => optim.rmsprop({ alpha: 1 })).toThrow('alpha must be a number from 0 to below 1');
  expect(() => optim.rmsprop({ centered: true } as optim.RmspropOptions)).toThrow('did you mean "centred"?');
  expect(() => optim.nadam({ betas: [1, 0] })).toThrow('betas');
  expect(() => optim.nadam({ momentumDecay: -1 })).toThrow('momentumDecay');
  expect(() => optim.lars({ lr: 0.1, trust: -1 })).toThrow('trust');
  expect(() => optim.lars(undefined as never)).toThrow('lr');
  expect(() => optim.lamb({ adapt: 'yes' as never })).toThrow('adapt');
  expect(() => optim.adam({ groups: [{ match: 'a', betas: [0, 2] }] })).toThrow('betas of a group');
  expect(() => optim.rmsprop({ groups: 5 as never })).toThrow(
    'optim.rmsprop: groups must be a list of groups',
  );
  expect(() => optim.adam({ groups: [{ match: 3 as never }] })).toThrow("a group's match");
  expect(() => optim.sgd({ lr: 1, groups: [{ match: 'a', eps: 1 } as never] })).toThrow('unknown option');
  expect(() => optim.sgd(undefined as never)).toThrow('lr');
  expect(() => optim.sgd({ lr: 0.1 }).update(undefined as never)).toThrow('compile');
});

describe('two modules of their own under one optimizer', () => {
  const x = tensor(symmetric(16, 100, 2), [8, 2]);
  const y = tensor(symmetric(16, 101, 3), [8, 2]);

  async function train(
    optimizer: optim.Optimizer,
    a: nn.Module,
    b: nn.Module,
    seen = [a, b],
  ): Promise<number[]> {
    const step = compile((input: Tensor, target: Tensor) => {
      const loss = mse(b.forward(a.forward(input)), target);
      optimizer.update(grad(loss));
      return loss;
    });
    for (let i = 0; i < 5; i++) await step(x, y);
    return seen.flatMap((module) => module.parameters().flatMap((p) => [...p.dataSync()]));
  }

  test.each([
    ['sgd', () => optim.sgd({ lr: 0.1, momentum: 0.9 })],
    ['adam', () => optim.adam({ lr: 0.1 })],
  ])('%s keeps apart parameters of the same name', async (_, optimizer) => {
    const pair = (): [nn.Module, nn.Module] => {
      const modules: [nn.Module, nn.Module] = [nn.linear(2, 2), nn.linear(2, 2)];
      for (const module of modules) fill(module);
      return modules;
    };
    const [a, b] = pair();
    const [c, d] = pair();
    nn.sequential(c, d).ensureInitialized();
    fill(c);
    fill(d);
    expect(await train(optimizer(), a, b)).toEqual(await train(optimizer(), c, d));
  });
});

test('a layer that was frozen begins with a first step of its own, also in a run that goes on', async () => {
  const alone = trainer(optim.adam({ lr: 0.01 }));
  alone.model.requiresGrad(false, 'bias');
  await alone.step(alone.x, alone.y);
  const first = (values(alone.model).weight as number[]).map(Math.abs);

  const optimizer = optim.adam({ lr: 0.01 });
  const late = trainer(optimizer);
  const start = values(late.model).weight as number[];
  late.model.requiresGrad(false, 'weight');
  for (let i = 0; i < 50; i++) await late.step(late.x, late.y);
  late.model.requiresGrad(true);
  await late.step(late.x, late.y);
  expect(first).toHaveLength(15);
  // Adam's first step is lr whatever the gradient.
  (values(late.model).weight as number[]).forEach((v, i) =>
    expect(Math.abs(v - start[i]!)).toBeCloseTo(0.01, 4),
  );
  expect(optimizer.state().born).toEqual(new Map([['weight', 50]]));

  const state = optimizer.state();
  const tensors = new Map(
    [...state.tensors].map(([key, t]) => [key, { shape: t.shape, data: t.dataSync() }]),
  );
  const other = optim.adam({ lr: 0.01 });
  await other.loadState({ ...state, tensors });
  const again = trainer(other);
  again.model.parameters().forEach((p, i) => p.storage.writeSync(late.model.parameters()[i]!.dataSync()));
  for (const { step, x, y } of [late, again]) await step(x, y);
  expect(values(again.model)).toEqual(values(late.model));
});

test('loadState forgets what the state does not have', async () => {
  const optimizer = optim.adam({ lr: 0.1 });
  const used = trainer(optimizer);
  for (let i = 0; i < 3; i++) await used.step(used.x, used.y);
  fill(used.model);
  await optimizer.loadState({ step: 0, tensors: new Map() });
  await used.step(used.x, used.y);
  const fresh = trainer(optim.adam({ lr: 0.1 }));
  await fresh.step(fresh.x, fresh.y);
  expect(values(used.model)).toEqual(values(fresh.model));
});

test('what accumulate took in is forgotten by an update of one batch alone', async () => {
  const model = nn.linear(1, 1, { bias: false });
  fill(model);
  const before = model.parameters()[0]!.dataSync()[0]!;
  const optimizer = optim.sgd({ lr: 1 });
  const gradient = (x: Tensor) => grad(ops.sum(model.forward(x)));
  const add = compile((x: Tensor) => (optimizer.accumulate(gradient(x), 1), []));
  const alone = compile((x: Tensor) => (optimizer.update(gradient(x)), []));
  const together = compile((x: Tensor) => (optimizer.update(gradient(x), { samples: 1 }), []));
  const at = (v: number): Tensor => tensor([v], [1, 1]);
  await add(at(10));
  await alone(at(1));
  await together(at(2));
  expect(model.parameters()[0]!.dataSync()[0]).toBeCloseTo(before - 1 - 2, 5);
});

test('two updates in one program share a guard', async () => {
  const [a, b] = [nn.linear(1, 1), nn.linear(1, 1)];
  for (const module of [a, b]) fill(module);
  const optimizer = optim.sgd({ lr: 0.1 });
  const step = compile((x: Tensor) => {
    optimizer.update(grad(ops.sum(a.forward(x))));
    optimizer.update(grad(ops.sum(b.forward(ops.minimum(x, 1)))));
    return [];
  });
  const outcomes: string[] = [];
  for (const v of [1, Infinity, 1])
    await step(tensor([v], [1, 1])).then(
      () => outcomes.push('ok'),
      () => outcomes.push('refused'),
    );
  expect(outcomes).toEqual(['ok', 'refused', 'refused']);
  optimizer.resetGuard();
  await step(tensor([1], [1, 1]));
});
