import { compile } from '../../lib/compile/compile';
import { grad, Gradients } from '../../lib/compile/grad';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { values as cases } from '../fixtures/optimizer_paths.json';
import { symmetric, values } from '../fixtures/numbers';

const makers: Record<string, (options: never) => optim.Optimizer> = {
  sgd: optim.sgd,
  adagrad: optim.adagrad,
  rmsprop: optim.rmsprop,
  adam: optim.adam,
  adamw: optim.adamw,
  nadam: optim.nadam,
};

/** The gradients of step t as make_optimizer_paths.py has them. */
function recorded(t: number): { weight: Float32Array; bias: Float32Array } {
  const scale = t >= 10 ? 0.1 : 1;
  const of = (n: number, seed: number): Float32Array => symmetric(n, seed, 1).map((v) => v * scale);
  return { weight: of(15, 400 + t), bias: of(3, 500 + t) };
}

/** A linear layer whose optimizer is fed gradients instead of a loss. */
function fed(optimizer: optim.Optimizer) {
  const model = nn.linear(5, 3).initialize({ seed: 1 });
  const [weight, bias] = [...model.namedParameters().values()];
  weight!.storage.writeSync(symmetric(15, 300, 1));
  bias!.storage.writeSync(symmetric(3, 301, 1));
  const step = compile((gw: Tensor, gb: Tensor) => {
    const loss = ops.sum(gb);
    optimizer.update(
      new Gradients(
        loss,
        new Map([
          [weight!, gw],
          [bias!, gb],
        ]),
      ),
    );
  });
  const run = (t: number): void => {
    const g = recorded(t);
    step.runSync(tensor(g.weight, [3, 5]), tensor(g.bias));
  };
  return { model, run };
}

function after20(optimizer: optim.Optimizer): Record<string, number[]> {
  const { model, run } = fed(optimizer);
  for (let t = 0; t < 20; t++) run(t);
  return values(model);
}

/** Within `tolerance` of the largest weight. */
function expectSame(
  actual: Record<string, number[]>,
  expected: Record<string, number[]>,
  tolerance = 1e-6,
): void {
  const all = Object.values(expected).flat();
  const limit = tolerance * Math.max(...all.map(Math.abs));
  for (const name of ['weight', 'bias'])
    actual[name]!.forEach((v, i) => expect(Math.abs(v - expected[name]![i]!)).toBeLessThanOrEqual(limit));
}

test.each(Object.entries(cases))('%s: recorded gradients lead where PyTorch gets', (_, c) => {
  const { kind, options, weight, bias } = c;
  expectSame(after20(makers[kind]!(options as never)), { weight, bias });
});

type Rule = (w: number, g: number, t: number, state: number[]) => number;

/** A rule of one weight over the recorded gradients, in double. */
function reference(rule: Rule): Record<string, number[]> {
  const path = (name: 'weight' | 'bias', start: Float32Array): number[] =>
    Array.from(start, (first, i) => {
      const state = [0, 0];
      let w = first;
      for (let t = 0; t < 20; t++) w = rule(w, recorded(t)[name][i]!, t, state);
      return w;
    });
  return { weight: path('weight', symmetric(15, 300, 1)), bias: path('bias', symmetric(3, 301, 1)) };
}

describe("the lecture's forms", () => {
  const lr = 0.01;
  test('AdaGrad', () => {
    const expected = reference((x, dx, _, s) => {
      s[0]! += dx * dx;
      return x - (lr * dx) / (Math.sqrt(s[0]!) + 1e-7);
    });
    expectSame(after20(optim.adagrad({ lr, eps: 1e-7 })), expected);
  });

  test('RMSProp', () => {
    const rate = 0.9;
    const expected = reference((x, dx, _, s) => {
      s[0] = rate * s[0]! + (1 - rate) * dx * dx;
      return x - (lr * dx) / (Math.sqrt(s[0]) + 1e-7);
    });
    expectSame(after20(optim.rmsprop({ lr, alpha: rate, eps: 1e-7 })), expected);
  });

  test.each([false, true])('Adam, bias correction %s', (biasCorrection) => {
    const [b1, b2] = [0.9, 0.999];
    const expected = reference((x, dx, t, s) => {
      s[0] = b1 * s[0]! + (1 - b1) * dx;
      s[1] = b2 * s[1]! + (1 - b2) * dx * dx;
      const m = biasCorrection ? s[0] / (1 - b1 ** (t + 1)) : s[0];
      const v = biasCorrection ? s[1] / (1 - b2 ** (t + 1)) : s[1];
      return x - (lr * m) / (Math.sqrt(v) + 1e-7);
    });
    expectSame(after20(optim.adam({ lr, biasCorrection, eps: 1e-7 })), expected);
  });

  test('eps inside the root', () => {
    const rate = 0.9;
    const expected = reference((x, dx, _, s) => {
      s[0] = rate * s[0]! + (1 - rate) * dx * dx;
      return x - (lr * dx) / Math.sqrt(s[0] + 1e-3);
    });
    expectSame(after20(optim.rmsprop({ lr, alpha: rate, eps: 1e-3, epsInside: true })), expected);
  });

  test('velocity of steps, plain and Nesterov', () => {
    const rho = 0.9;
    const plain = reference((x, dx, _, s) => {
      s[0] = rho * s[0]! - lr * dx;
      return x + s[0];
    });
    expectSame(after20(optim.sgd({ lr, momentum: rho, velocity: 'steps' })), plain);
    const nesterov = reference((x, dx, _, s) => {
      const old = s[0]!;
      s[0] = rho * old - lr * dx;
      return x - rho * old + (1 + rho) * s[0];
    });
    expectSame(after20(optim.sgd({ lr, momentum: rho, nesterov: true, velocity: 'steps' })), nesterov);
  });
});

test('the two formulations of momentum give the same weights at a constant rate, others when it changes', () => {
  for (const nesterov of [false, true]) {
    const options = { lr: 0.05, momentum: 0.9, nesterov, weightDecay: 0.01 };
    expectSame(after20(optim.sgd({ ...options, velocity: 'steps' })), after20(optim.sgd(options)));
  }
  const [a, b] = (['gradients', 'steps'] as const).map((velocity) => {
    const optimizer = optim.sgd({ lr: 0.1, momentum: 0.9, velocity });
    const { model, run } = fed(optimizer);
    run(0);
    optimizer.lr = 0.01;
    run(1);
    return values(model).weight!;
  });
  expect(Math.max(...a!.map((v, i) => Math.abs(v - b![i]!)))).toBeGreaterThan(1e-3);
});

test('decoupled decay shrinks weights apart from the gradient', () => {
  const [lr, decay, rho] = [0.05, 0.2, 0.9];
  const expected = reference((w, g, _, s) => {
    s[0] = rho * s[0]! + g;
    return (1 - lr * decay) * w - lr * s[0];
  });
  expectSame(after20(optim.sgd({ lr, momentum: rho, weightDecay: decay, decoupled: true })), expected);
});

test('Nesterov is the look-ahead form on a quadratic', () => {
  // f(x) = sum a x^2 / 2; the optimizer follows y = x + rho v.
  const [lr, rho, a] = [0.05, 0.9, [1, 4, 10]];
  const model = nn.linear(1, 3).initialize({ seed: 1 });
  const start = [1, -0.5, 0.25];
  const bias = model.namedParameters().get('bias')!;
  bias.storage.writeSync(Float32Array.from(start));
  const optimizer = optim.sgd({ lr, momentum: rho, nesterov: true });
  const step = compile(() => {
    optimizer.update(grad(ops.sum(ops.mul(ops.square(bias), tensor(a.map((k) => k / 2))))));
  });
  const [x, v] = [[...start], [0, 0, 0]];
  for (let t = 0; t < 20; t++) {
    step.runSync();
    x.forEach((at, i) => {
      const slope = a[i]! * (at + rho * v[i]!);
      v[i] = rho * v[i]! - lr * slope;
      x[i] = at + v[i];
    });
  }
  values(model).bias!.forEach((y, i) => expect(y).toBeCloseTo(x[i]! + rho * v[i]!, 6));
});

/** Norms of one tensor at a time, in double. */
function byTensor(
  update: (w: number[], g: Float32Array, t: number, state: number[][]) => number[],
): Record<string, number[]> {
  const path = (name: 'weight' | 'bias', start: Float32Array): number[] => {
    let w = [...start];
    const state = [w.map(() => 0), w.map(() => 0)];
    for (let t = 0; t < 20; t++) w = update(w, recorded(t)[name], t, state);
    return w;
  };
  return { weight: path('weight', symmetric(15, 300, 1)), bias: path('bias', symmetric(3, 301, 1)) };
}

const norm = (values: Iterable<number>): number => Math.hypot(...values);

test.each([
  ['gradients', false],
  ['steps', true],
] as const)('LARS equals the paper in double (velocity of %s, Nesterov %s)', (velocity, nesterov) => {
  const [lr, rho, decay, trust, eps] = [0.5, 0.9, 0.01, 0.02, 1e-8];
  const expected = byTensor((w, g, _, [v]) => {
    const ratio = (trust * norm(w)) / (norm(g) + decay * norm(w) + eps);
    return w.map((x, i) => {
      const d = ratio * (g[i]! + decay * x);
      v![i] = rho * v![i]! + lr * d;
      return x - (nesterov ? lr * d + rho * v![i] : v![i]);
    });
  });
  const optimizer = optim.lars({ lr, momentum: rho, weightDecay: decay, trust, velocity, nesterov });
  expectSame(after20(optimizer), expected);
});

test('LAMB equals the paper in double', () => {
  const [lr, b1, b2, eps, decay] = [0.02, 0.9, 0.99, 1e-6, 0.1];
  const expected = byTensor((w, g, t, [m, v]) => {
    const u = w.map((x, i) => {
      m![i] = b1 * m![i]! + (1 - b1) * g[i]!;
      v![i] = b2 * v![i]! + (1 - b2) * g[i]! ** 2;
      return m![i] / (1 - b1 ** (t + 1)) / (Math.sqrt(v![i] / (1 - b2 ** (t + 1))) + eps) + decay * x;
    });
    return w.map((x, i) => x - ((lr * norm(w)) / norm(u)) * u[i]!);
  });
  expectSame(after20(optim.lamb({ lr, betas: [b1, b2], weightDecay: decay })), expected);
});

test('noDecay leaves biases alone, and takes settings of the group', () => {
  const plain = after20(optim.sgd({ lr: 0.05 }));
  const decayed = after20(optim.sgd({ lr: 0.05, weightDecay: 0.1, groups: [optim.noDecay()] }));
  expect(decayed.bias).toEqual(plain.bias);
  expect(decayed.weight).not.toEqual(plain.weight);
  const lars = optim.lars({ lr: 0.05, weightDecay: 0.1, groups: [optim.noDecay({ adapt: false })] });
  expect(after20(lars).bias).toEqual(plain.bias);
  const named: [string, number[], boolean][] = [
    ['bn.weight', [4], true],
    ['norm.bias', [2, 3, 3], true],
    ['fc.weight', [2, 3], false],
  ];
  const { match } = optim.noDecay();
  for (const [name, shape, expected] of named)
    expect(typeof match === 'function' && match(name, nn.parameter(shape, nn.init.constant(0)))).toBe(
      expected,
    );
  const scale = nn.layerNorm([2, 3, 3]).weight!;
  expect(typeof match === 'function' && match('norm.weight', scale)).toBe(true);
});
