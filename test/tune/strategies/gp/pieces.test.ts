import { values as fixture } from '../../../fixtures/gp.json';
import { cholesky, inverse, solve } from '../../../../lib/tune/strategies/gp/cholesky';
import { fitKernel, kernelOf, LEAST_NOISE, unlikelihood } from '../../../../lib/tune/strategies/gp/fit';
import { improvementSlope, logExpectedImprovement } from '../../../../lib/tune/strategies/gp/improve';
import { minimize } from '../../../../lib/tune/strategies/gp/lbfgs';
import { logImprovement } from '../../../../lib/tune/strategies/gp/log-ei';
import { bent, normalized, powerOf } from '../../../../lib/tune/strategies/gp/outputs';
import { GaussianProcess, type Observations } from '../../../../lib/tune/strategies/gp/process';
import { Random } from '../../../../lib/tune/strategies/random-numbers';
import { atOnce, inTurns, type Steps } from '../../../../lib/tune/strategies/steps';

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(found).toHaveLength(expected.length);
  Array.from(found).forEach((value, i) =>
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(expected[i]!)),
    ),
  );
}

const processes = fixture.processes.map((one) => {
  const observations: Observations = {
    points: one.points.map((point) => Float64Array.from(point)),
    values: Float64Array.from(one.values),
    choices: one.choices,
  };
  const kernel = { weights: Float64Array.from(one.weights), scale: one.scale, noise: one.noise };
  const at = one.at.map((point) => Float64Array.from(point));
  return { one, observations, kernel, at };
});

/** Central differences of a function of several numbers. */
function differences(f: (x: Float64Array) => number, x: Float64Array, step = 1e-5): Float64Array {
  return x.map((_, i) => {
    const moved = (by: number): Float64Array => x.map((value, j) => (i === j ? value + by : value));
    return (f(moved(step)) - f(moved(-step))) / (2 * step);
  });
}

describe('linear algebra', () => {
  const size = 5;
  const random = new Random(1, 'test', 0);
  const factor = Float64Array.from({ length: size * size }, () => random.normal());
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++)
      for (let k = 0; k < size; k++) matrix[i * size + j]! += factor[i * size + k]! * factor[j * size + k]!;
  const times = (x: Float64Array): Float64Array =>
    x.map((_, i) => x.reduce((sum, value, j) => sum + matrix[i * size + j]! * value, 0));

  it('factors, solves and inverts', () => {
    const lower = cholesky(matrix, size)!;
    const b = Float64Array.from([1, -2, 3, 0.5, 7]);
    expectClose(times(solve(lower, b)), b, 1e-9);
    const inverted = inverse(lower, size);
    for (let j = 0; j < size; j++) {
      const column = Float64Array.from({ length: size }, (_, i) => inverted[i * size + j]!);
      expectClose(
        times(column),
        Float64Array.from({ length: size }, (_, i) => Number(i === j)),
        1e-9,
      );
    }
  });

  it('adds a little to a singular matrix, and gives up on others', () => {
    expect(cholesky(Float64Array.from([1, 1, 1, 1]), 2)).toBeDefined();
    expect(cholesky(Float64Array.from([1, 2, 2, 1]), 2)).toBeUndefined();
    expect(cholesky(Float64Array.from([NaN, 0, 0, 1]), 2)).toBeUndefined();
  });
});

describe('L-BFGS in a box', () => {
  const rosenbrock = (x: Float64Array, gradient: Float64Array): number => {
    const [a, b] = [x[0]!, x[1]!];
    gradient[0] = -400 * a * (b - a * a) - 2 * (1 - a);
    gradient[1] = 200 * (b - a * a);
    return 100 * (b - a * a) ** 2 + (1 - a) ** 2;
  };
  const options = { tolerance: 1e-8, iterations: 200 };

  it('finds the minimum within', () => {
    const { x } = minimize(rosenbrock, [-1.2, 1], { ...options, low: [-5, -5], high: [5, 5] });
    expectClose(x, [1, 1], 1e-6);
  });

  it('finds the minimum on the border', () => {
    const { x } = minimize(rosenbrock, [-1.2, 1], { ...options, low: [-5, -5], high: [0.5, 5] });
    expectClose(x, [0.5, 0.25], 1e-6);
  });
});

describe('the logarithm of the expected improvement', () => {
  const { z, value, slope } = fixture.improvement;

  it('is that of mpmath, in its tail too', () => {
    expectClose(z.map((at) => logImprovement(at).value), value, 1e-11); // prettier-ignore
    expectClose(z.map((at) => logImprovement(at).slope), slope, 1e-9); // prettier-ignore
  });

  it.each(processes)('has the slopes of finite differences', ({ observations, kernel, at }) => {
    const axes = observations.choices.map((isChoice, j) => ({
      dimension: {
        name: String(j),
        domain: { type: 'float', low: 0, high: 1, log: false },
        when: [],
      } as const,
      kind: isChoice ? ('choice' as const) : ('real' as const),
      count: Infinity,
      toCoordinate: (v: number) => v,
      toValue: (v: number) => v,
      at: (v: number) => v,
    }));
    const process = new GaussianProcess(observations, kernel);
    const improvement = { process, best: -0.5, axes, fixed: axes.map(() => false) };
    // The first of them is an observation, where the variance has a corner.
    for (const x of at.slice(1)) {
      const slopes = new Float64Array(x.length);
      const found = improvementSlope(improvement, x, slopes);
      expect(found).toBeCloseTo(logExpectedImprovement(improvement, x), 12);
      const expected = differences((moved) => logExpectedImprovement(improvement, moved), x);
      const numbers = (values: Float64Array): Float64Array =>
        values.map((v, j) => (observations.choices[j]! ? 0 : v));
      expectClose(slopes, numbers(expected), 1e-6);
    }
  });
});

describe('the process', () => {
  it.each(processes)('has the posterior of NumPy', ({ one, observations, kernel, at }) => {
    const process = new GaussianProcess(observations, kernel);
    const found = at.map((x) => process.posterior(x));
    expectClose(found.map(({ mean }) => mean), one.mean, 1e-9); // prettier-ignore
    expectClose(found.map(({ variance }) => variance), one.variance, 1e-9); // prettier-ignore
  });

  it.each(processes)('has the marginal likelihood of SciPy', ({ one, observations, kernel }) => {
    const logs = Float64Array.from(
      [...kernel.weights, kernel.scale, kernel.noise - LEAST_NOISE].map(Math.log),
    );
    const { weights, scale, noise } = kernelOf(logs);
    const prior =
      weights.reduce((sum, w) => sum - 0.1 / w - 0.1 * w, 0) +
      (Math.log(scale) - scale) +
      (0.1 * Math.log(noise) - 30 * noise);
    const found = unlikelihood(observations, logs, new Float64Array(logs.length));
    expect(-found).toBeCloseTo(one.logLikelihood + prior, 8);
  });

  it.each(processes)('has the slopes of finite differences', ({ observations }) => {
    const logs = new Float64Array(observations.choices.length + 2).map((_, i) => Math.sin(i + 1));
    const gradient = new Float64Array(logs.length);
    unlikelihood(observations, logs, gradient);
    const unused = new Float64Array(logs.length);
    expectClose(gradient, differences((moved) => unlikelihood(observations, moved, unused), logs), 1e-6); // prettier-ignore
  });

  it('believes its own mean where a trial runs', () => {
    const { observations, kernel, at } = processes[1]!;
    const process = new GaussianProcess(observations, kernel);
    const [, here, there] = at;
    const believing = process.believing([here!]);
    expect(believing.posterior(there!).mean).toBeCloseTo(process.posterior(there!).mean, 9);
    expect(believing.posterior(here!).variance).toBeLessThan(0.5 * process.posterior(here!).variance);
  });

  it('finds which dimension matters, and how much noise there is', () => {
    const random = new Random(5, 'test', 0);
    const points = Array.from({ length: 40 }, () => Float64Array.from([random.uniform(), random.uniform()]));
    const values = Float64Array.from(points, ([x]) => 1.4 * Math.sin(9 * x!));
    const exact = atOnce(fitKernel({ points, values, choices: [false, false] }));
    expect(exact.weights[0]!).toBeGreaterThan(10 * exact.weights[1]!);
    expect(exact.noise).toBeLessThan(1e-3);
    const noisy = values.map((value) => value + 0.5 * random.normal());
    expect(atOnce(fitKernel({ points, values: noisy, choices: [false, false] })).noise).toBeGreaterThan(0.03);
  });
});

describe('losses as the process sees them', () => {
  it('lie on the curve of Yeo and Johnson', () => {
    // Yeo & Johnson 2000, equation 2.1.
    const curve = (x: number, p: number): number => {
      if (x >= 0) return p === 0 ? Math.log(x + 1) : ((x + 1) ** p - 1) / p;
      return p === 2 ? -Math.log(1 - x) : -((1 - x) ** (2 - p) - 1) / (2 - p);
    };
    for (const power of [0, 0.3, 1, 1.7, 2])
      for (const x of [-3, -0.5, 0, 0.1, 2]) expect(bent(x, power)).toBeCloseTo(curve(x, power), 12);
  });

  it('take the power of SciPy', () => {
    for (const { values: sample, power } of fixture.outputs) {
      const known = Math.min(Math.max(power, 0), 2);
      expect(powerOf(Float64Array.from(sample))).toBeCloseTo(known, 4);
    }
  });

  it('keep their order, and have mean 0 and variance 1', () => {
    const random = new Random(3, 'test', 0);
    const losses = Array.from({ length: 40 }, () => Math.exp(3 * random.normal()));
    const found = normalized(losses);
    const order = (list: ArrayLike<number>): number[] => losses.map((_, i) => i).sort((a, b) => list[a]! - list[b]!); // prettier-ignore
    expect(order(found)).toEqual(order(losses));
    const mean = found.reduce((sum, value) => sum + value / 40, 0);
    expect(mean).toBeCloseTo(0, 12);
    expect(found.reduce((sum, value) => sum + value ** 2 / 40, 0)).toBeCloseTo(1, 12);
  });

  it('are all 0 where they are equal, and not upset by huge ones', () => {
    expect(normalized([7, 7, 7])).toEqual(new Float64Array(3));
    expect(Array.from(normalized([1e308, -1e308, 0])).every(Number.isFinite)).toBe(true);
  });
});

it('a suggestion in turns is the one made at once, and the event loop runs meanwhile', async () => {
  function* slow(): Steps<number> {
    for (let i = 0; i < 20; i++) {
      const until = performance.now() + 3;
      while (performance.now() < until);
      yield;
    }
    return 7;
  }
  let turns = 0;
  let busy = true;
  const count = (): void => {
    turns++;
    if (busy) setImmediate(count);
  };
  setImmediate(count);
  await expect(inTurns(slow())).resolves.toBe(7);
  busy = false;
  expect(turns).toBeGreaterThan(2);
  expect(atOnce(slow())).toBe(7);
});
