import '../../lib/graph/evaluate';
import { NonFiniteError } from '../../lib/errors';
import { compile } from '../../lib/graph/compile';
import { grad } from '../../lib/graph/grad';
import * as losses from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import cases from '../fixtures/optimizers.json';
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

test('a saved state goes on with the same bits', async () => {
  const first = optim.adam({ lr: 0.1 });
  const a = trainer(first);
  for (let i = 0; i < 3; i++) await a.step(a.x, a.y);
  const { step, tensors } = first.state();
  expect([...tensors.keys()]).toEqual([
    'exp_avg/bias',
    'exp_avg/weight',
    'exp_avg_sq/bias',
    'exp_avg_sq/weight',
  ]);
  const copies = new Map([...tensors].map(([k, t]) => [k, { shape: t.shape, data: t.dataSync() }]));
  const second = optim.adam({ lr: 0.1 });
  const b = trainer(second);
  for (const [name, p] of b.model.namedParameters())
    p.storage.writeSync(a.model.namedParameters().get(name)!.dataSync());
  await second.loadState({ step, tensors: copies });
  await a.step(a.x, a.y);
  await b.step(b.x, b.y);
  expect(values(b.model)).toEqual(values(a.model));
  await expect(
    second.loadState({
      step: 1,
      tensors: new Map([['exp_avg/bias', { shape: [4], data: new Float32Array(4) }]]),
    }),
  ).rejects.toThrow("optimizer state 'exp_avg/bias': expected [3], got [4]");
});

test('bad options', () => {
  expect(() => optim.sgd({ lr: NaN })).toThrow(
    'optim.sgd: lr must be a finite number of at least 0, got NaN',
  );
  expect(() => optim.sgd({ lr: 0.1, nesterov: true })).toThrow('nesterov needs a momentum');
  expect(() => optim.sgd({ lr: 0.1, momentun: 0.9 } as optim.SgdOptions)).toThrow('did you mean "momentum"?');
  expect(() => optim.adam({ betas: [0.9, 1] })).toThrow('betas must be two numbers from 0 to below 1');
  expect(() => optim.adam({ clipNorm: 0 })).toThrow('clipNorm');
  expect(() => optim.sgd(undefined as never)).toThrow('lr');
  expect(() => optim.sgd({ lr: 0.1 }).update(undefined as never)).toThrow('compile');
});
