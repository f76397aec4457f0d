import { DTypeError, NonFiniteError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { assign } from '../../lib/graph/trace';
import * as ops from '../../lib/ops';
import { Adam, Sgd } from '../../lib/optim';
import { persistent, runtimeScalar, tensor, zeros, type Tensor } from '../../lib/tensor/tensor';
import { expectClose, numbers } from './support';

const scalar = (value: number): Tensor => runtimeScalar(() => value);

describe('sgd', () => {
  it.each([
    [false, 0],
    [false, 0.1],
    [true, 0],
  ])('equals the formula over 5 steps (nesterov %s, dampening %d)', async (nesterov, dampening) => {
    const [lr, mu, decay] = [0.1, 0.9, 0.01];
    const start = [numbers([7]), numbers([2, 3], 5)];
    const weights = start.map((v, i) => persistent(Float32Array.from(v), i === 0 ? [7] : [2, 3]));
    const velocity = weights.map((w) => zeros(w.shape));
    let step = 1;
    const scalars = {
      lr: scalar(lr),
      momentum: scalar(mu),
      dampening: scalar(dampening),
      weightDecay: scalar(decay),
      step: runtimeScalar(() => step),
    };
    const run = compile((a: Tensor, b: Tensor) => {
      const operands = { weights, gradients: [a, b], states: [velocity] };
      const next = Sgd.rule(scalars, operands, { momentum: true, nesterov });
      weights.forEach((w, i) => assign(w, next.weights[i]!));
      velocity.forEach((v, i) => assign(v, next.states[0]![i]!));
    });
    const expected = start.map((v) => Float64Array.from(Float32Array.from(v)));
    const state = expected.map((v) => new Float64Array(v.length));
    for (; step <= 5; step++) {
      const gradients = [numbers([7], 10 + step), numbers([2, 3], 20 + step)];
      await run(tensor(gradients[0]!), tensor(gradients[1]!, [2, 3]));
      expected.forEach((w, t) =>
        w.forEach((x, i) => {
          const g = gradients[t]![i]! + decay * x;
          const v = step === 1 ? g : mu * state[t]![i]! + (1 - dampening) * g;
          state[t]![i] = v;
          w[i] = x - lr * (nesterov ? g + mu * v : v);
        }),
      );
    }
    for (const [i, w] of weights.entries()) expectClose(await w.data(), expected[i]!, 1e-6, `weights ${i}`);
  });
});

describe('adam', () => {
  it.each([false, true])(
    'equals the formula over 5 steps (decoupled decay %s), gradients scaled',
    async (decoupled) => {
      const [lr, b1, b2, eps, decay] = [0.01, 0.9, 0.99, 1e-8, 0.1];
      const w = persistent(Float32Array.from(numbers([9])));
      const [m, v] = [zeros([9]), zeros([9])];
      let step = 1;
      const scalars = {
        lr: scalar(lr),
        beta1: scalar(b1),
        beta2: scalar(b2),
        eps: scalar(eps),
        weightDecay: scalar(decay),
        step: runtimeScalar(() => step),
      };
      const run = compile((g: Tensor) => {
        const next = Adam.rule(
          scalars,
          { weights: [w], gradients: [g], states: [[m], [v]], scale: tensor(0.5) },
          { decoupled },
        );
        assign(w, next.weights[0]!);
        assign(m, next.states[0]![0]!);
        assign(v, next.states[1]![0]!);
      });
      const expected = Float64Array.from(Float32Array.from(numbers([9])));
      const [em, ev] = [new Float64Array(9), new Float64Array(9)];
      for (; step <= 5; step++) {
        const gradient = numbers([9], step);
        await run(tensor(gradient));
        expected.forEach((x, i) => {
          const decayed = decoupled ? x * (1 - lr * decay) : x;
          const g = 0.5 * gradient[i]! + (decoupled ? 0 : decay * x);
          em[i] = b1 * em[i]! + (1 - b1) * g;
          ev[i] = b2 * ev[i]! + (1 - b2) * g * g;
          expected[i] =
            decayed - (lr * (em[i] / (1 - b1 ** step))) / (Math.sqrt(ev[i] / (1 - b2 ** step)) + eps);
        });
      }
      expectClose(await w.data(), expected, 1e-6, 'weights');
    },
  );
});

describe('finiteGuard', () => {
  it('is sticky: after a NaN nothing is committed any more', async () => {
    const [guard, w] = [zeros([1], 'i32'), persistent([1])];
    const step = compile((x: Tensor) => {
      assign(guard, ops.finiteGuard(guard, [ops.sum(x)]));
      assign(w, ops.add(w, x));
    });
    await step(tensor([1]));
    await expect(step(tensor([NaN]))).rejects.toThrow(NonFiniteError);
    await expect(step(tensor([1]))).rejects.toThrow(NonFiniteError);
    expect(Array.from(await w.data())).toEqual([2]);
    expect(Array.from(await guard.data())).toEqual([1]);
  });
});

describe('accumulate', () => {
  it('sums in f64 what f32 would lose', async () => {
    const total = zeros([1], 'f64');
    const step = compile((x: Tensor) => assign(total, ops.accumulate(total, x)));
    for (const x of [1e8, 1, 1, 1]) await step(tensor([x]));
    expect(Array.from(await total.data())).toEqual([100000003]);
  });
});

describe('checks', () => {
  it('shapes and types of operands', () => {
    const s = {
      lr: scalar(1),
      momentum: scalar(0),
      dampening: scalar(0),
      weightDecay: scalar(0),
      step: scalar(1),
    };
    expect(() => Sgd.rule(s, { weights: [tensor([1, 2])], gradients: [tensor([1])], states: [] })).toThrow(
      ShapeError,
    );
    expect(() =>
      Sgd.rule({ ...s, lr: tensor(1) }, { weights: [tensor([1])], gradients: [tensor([1])], states: [] }),
    ).toThrow(DTypeError);
  });
});
