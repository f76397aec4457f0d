import { compile } from '../../lib/compile/compile';
import { DataError } from '../../lib/errors';
import { mixSamples, type MixChoice, type MixSamplesOptions } from '../../lib/ops';
import { withTarget } from '../../lib/tensor/target';
import { runtimeScalar, tensor, type Tensor } from '../../lib/tensor/tensor';
import { setThreads } from '../../lib/native';
import { numbers } from './support';

interface Given {
  readonly shape: readonly [number, ...number[]];
  readonly labels?: readonly number[];
  readonly samples?: readonly number[];
  readonly occurrence?: readonly number[];
  readonly epoch?: number;
}

type Options = Partial<Omit<MixSamplesOptions, 'choices'> & MixChoice>;

/** One way of mixing. */
function withDefaults({ alpha = 1, cut = false, ...rest }: Options): MixSamplesOptions {
  return { seed: 1, place: 1, classes: 5, ...rest, choices: [{ alpha, cut }] };
}

function inputsOf({ shape }: Given): Float32Array {
  return Float32Array.from(numbers(shape));
}

function mix(given: Given, options: Options = {}): { y: Float32Array; t: Float32Array } {
  const [rows] = given.shape;
  const count = Array.from({ length: rows }, (_, b) => b);
  const labels = Int32Array.from(given.labels ?? count.map((b) => b % 5));
  const samples = Int32Array.from(given.samples ?? count);
  const occurrence = Int32Array.from(given.occurrence ?? count.map(() => 0));
  const epoch = runtimeScalar(() => given.epoch ?? 0);
  const step = compile((inputs: Tensor, targets: Tensor, s: Tensor, o: Tensor) =>
    mixSamples({ inputs, targets, samples: s, occurrence: o, epoch }, withDefaults(options)),
  );
  const { inputs, targets } = step.runSync(
    tensor(inputsOf(given), given.shape),
    tensor(labels),
    tensor(samples),
    tensor(occurrence),
  );
  return { y: Float32Array.from(inputs.dataSync()), t: Float32Array.from(targets.dataSync()) };
}

/** The share that each sample keeps, read off targets of two classes that alternate. */
function kept(rows: number, options: Options, shape: number[] = [1], epoch = 0): number[] {
  const labels = Array.from({ length: rows }, (_, b) => b % 2);
  const { t } = mix({ shape: [rows, ...shape], labels, epoch }, { classes: 2, ...options });
  return labels.map((label, b) => t[2 * b + label]!);
}

it('without cut, inputs and targets are weighted means with the next sample, and the last with the first', () => {
  const given: Given = { shape: [5, 3, 4, 6], labels: [0, 1, 2, 3, 4] };
  const x = inputsOf(given);
  const { y, t } = mix(given);
  for (let b = 0; b < 5; b++) {
    const next = (b + 1) % 5;
    const l = t[5 * b + b]!;
    expect(t[5 * b + next]).toBeCloseTo(1 - l, 6);
    for (let i = 0; i < 72; i++)
      expect(y[72 * b + i]).toBeCloseTo(l * x[72 * b + i]! + (1 - l) * x[72 * next + i]!, 6);
  }
});

it('with cut, a window is the next sample, and the targets have the shares of pixels', () => {
  const given: Given = { shape: [40, 2, 9, 13] };
  const x = inputsOf(given);
  const { y, t } = mix(given, { cut: true });
  const seen = new Set<number>();
  for (let b = 0; b < 40; b++) {
    const next = (b + 1) % 40;
    const own = (c: number, h: number, w: number, sample: number): number =>
      x[((sample * 2 + c) * 9 + h) * 13 + w]!;
    const rows = new Set<number>();
    const columns = new Set<number>();
    let replaced = 0;
    for (let h = 0; h < 9; h++)
      for (let w = 0; w < 13; w++) {
        const values = [0, 1].map((c) => y[((b * 2 + c) * 9 + h) * 13 + w]);
        if (values[0] === own(0, h, w, b)) {
          expect(values[1]).toBe(own(1, h, w, b));
          continue;
        }
        expect(values).toEqual([own(0, h, w, next), own(1, h, w, next)]);
        rows.add(h);
        columns.add(w);
        replaced++;
      }
    expect(replaced).toBe(rows.size * columns.size);
    expect(t[5 * b + (b % 5)]).toBeCloseTo(1 - replaced / 117, 6);
    seen.add(replaced);
  }
  expect(seen.size).toBeGreaterThan(10);
});

/**
 * Beta(alpha, alpha)'s distribution function, by Simpson's rule after x = sin^2(t), which has no poles for
 * alpha >= 0.5.
 */
function betaBelow(alpha: number, x: number): number {
  const integral = (to: number): number => {
    const n = 2000;
    const f = (t: number): number => (Math.sin(t) * Math.cos(t)) ** (2 * alpha - 1);
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const [a, b] = [(to * i) / n, (to * (i + 1)) / n];
      sum += ((b - a) / 6) * (f(a) + 4 * f((a + b) / 2) + f(b));
    }
    return sum;
  };
  return integral(Math.asin(Math.sqrt(x))) / integral(Math.PI / 2);
}

it.each([0.5, 1, 2, 8])('shares follow Beta(%p, %p)', (alpha) => {
  const shares = kept(20000, { alpha });
  for (const x of [0.01, 0.1, 0.3, 0.5, 0.8, 0.99]) {
    const expected = betaBelow(alpha, x);
    const actual = shares.filter((l) => l <= x).length / shares.length;
    expect(Math.abs(actual - expected)).toBeLessThan(
      5 * Math.sqrt((expected * (1 - expected)) / 20000) + 1e-4,
    );
  }
});

it('small alphas keep or give away nearly everything, half of the time each', () => {
  const shares = kept(20000, { alpha: 0.001 });
  expect(shares.every((l) => l >= 0 && l <= 1)).toBe(true);
  expect(shares.filter((l) => l < 0.01 || l > 0.99).length).toBeGreaterThan(19500);
  expect(Math.abs(shares.filter((l) => l > 0.5).length - 10000)).toBeLessThan(360);
});

it('p is the share of samples that are mixed', () => {
  const whole = kept(20000, { p: 0.3, alpha: 4 }).filter((l) => l === 1).length;
  expect(Math.abs(whole - 14000)).toBeLessThan(5 * Math.sqrt(20000 * 0.21));
  expect(kept(50, { p: 0 })).toEqual(Array<number>(50).fill(1));
});

it('draws are those of the sample, its occurrence, the epoch and the place, whatever the batch', () => {
  const all = kept(8, {});
  const at = (samples: number[], given: Partial<Given> = {}, options: Options = {}): number => {
    const labels = samples.map((_, b) => b % 2);
    const { t } = mix({ shape: [samples.length, 1], samples, labels, ...given }, { classes: 2, ...options });
    return t[0]!;
  };
  expect(at([3, 9])).toBe(all[3]);
  expect(at([3, 1, 2, 7, 5, 0])).toBe(all[3]);
  const others = [
    at([3, 9], { occurrence: [1, 0] }),
    at([3, 9], { epoch: 1 }),
    at([3, 9], {}, { place: 2 }),
    at([3, 9], {}, { seed: 2 }),
    at([4, 9]),
  ];
  expect(new Set([all[3], ...others]).size).toBe(6);
});

it('bits do not depend on the number of threads, and the reference target draws the same', () => {
  for (const cut of [false, true]) {
    const given: Given = { shape: [33, 3, 8, 8] };
    const results = [1, 2, 4].map((threads) => {
      setThreads(threads);
      return mix(given, { cut });
    });
    setThreads(2);
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    const reference = withTarget('ref', () => mix(given, { cut }));
    reference.y.forEach((value, i) => expect(results[0]!.y[i]).toBeCloseTo(value, 5));
    reference.t.forEach((value, i) => expect(results[0]!.t[i]).toBeCloseTo(value, 6));
  }
});

it('targets that are probabilities already are mixed as they are', () => {
  const soft = [
    [0.5, 0.5, 0],
    [0, 0.1, 0.9],
  ];
  const step = compile((inputs: Tensor, targets: Tensor) => {
    const operands = { samples: tensor(Int32Array.of(4, 5)), occurrence: tensor(Int32Array.of(0, 0)) };
    const epoch = runtimeScalar(() => 0);
    return mixSamples({ inputs, targets, ...operands, epoch }, withDefaults({ classes: 3 }));
  });
  const { inputs, targets } = step.runSync(tensor([1, 0], [2, 1]), tensor(soft.flat(), [2, 3]));
  const l = inputs.dataSync()[0]!;
  [0, 1, 2].forEach((k) =>
    expect(targets.dataSync()[k]).toBeCloseTo(l * soft[0]![k]! + (1 - l) * soft[1]![k]!, 6),
  );
});

it.each([
  ['weights', [2, 0.5, 0, 0, 4]],
  ['no weight at all', [0, 0, 0, 0, 0]],
])('%s of samples are mixed, and decide on the targets', (_, w) => {
  const rows = 5;
  const run = (given?: readonly number[], target: 'native' | 'ref' = 'native') =>
    withTarget(target, () => {
      const operands = {
        samples: tensor(Int32Array.of(4, 5, 6, 7, 8)),
        occurrence: tensor(new Int32Array(rows)),
      };
      const epoch = runtimeScalar(() => 3);
      const weights = given && tensor([...given]);
      const step = compile((inputs: Tensor, targets: Tensor) => {
        const mixed = mixSamples({ inputs, targets, ...operands, epoch, weights }, withDefaults({ p: 0.8 }));
        return {
          inputs: mixed.inputs,
          targets: mixed.targets,
          ...(mixed.weights && { weights: mixed.weights }),
        };
      });
      const out = step.runSync(tensor(numbers([rows, 2]), [rows, 2]), tensor(Int32Array.of(0, 1, 2, 3, 4)));
      return Object.fromEntries(Object.entries(out).map(([name, t]) => [name, Array.from(t.dataSync())]));
    });
  const plain = run();
  expect(plain['weights']).toBeUndefined();
  for (const target of ['native', 'ref'] as const) {
    const found = run(w, target);
    if (target === 'native') expect(found['inputs']).toEqual(plain['inputs']);
    for (let b = 0; b < rows; b++) {
      const next = (b + 1) % rows;
      const l = plain['targets']![b * 5 + b]!;
      const v = l * w[b]! + (1 - l) * w[next]!;
      expect(found['weights']![b]).toBeCloseTo(v, 6);
      const share = v > 0 ? (l * w[b]!) / v : l;
      expect(found['targets']![b * 5 + b]).toBeCloseTo(share, 6);
      expect(found['targets']![b * 5 + next]).toBeCloseTo(1 - share, 6);
    }
  }
});

it('a sample alone in its batch is mixed with itself', () => {
  const { y, t } = mix({ shape: [1, 4], labels: [2] });
  numbers([1, 4]).forEach((x, i) => expect(y[i]).toBeCloseTo(x, 6));
  expect(t[2]).toBeCloseTo(1, 6);
});

it('refuses what does not fit', () => {
  expect(() => mix({ shape: [2, 3] }, { cut: true })).toThrow(/mix_samples: inputs must have rank 4/);
  expect(() => mix({ shape: [2, 3] }, { alpha: 0 })).toThrow(/alpha must be a number from 0.001 to 1000000/);
  expect(() => mix({ shape: [2, 3] }, { p: 1.5 })).toThrow(/p must be/);
  const choose = (choices: readonly MixChoice[]) => () =>
    mixSamples({} as never, { ...withDefaults({}), choices });
  expect(choose([])).toThrow(/mix_samples: choices must be 1 to 64, got 0/);
  expect(choose([{ alpha: 1, cut: false, weight: 0 }])).toThrow(/mix_samples: all weights are 0/);
  expect(choose([{ alpha: 1, cut: false, weight: 2e9 }])).toThrow(
    /weight must be a number from 0 to 1000000000/,
  );
  expect(() => mix({ shape: [2, 3] }, { place: 0 })).toThrow(
    /place must be a positive integer|place must be/,
  );
  expect(() => mix({ shape: [3, 3], samples: [1, 2] })).toThrow(/samples must be \[3\], got \[2\]/);
  expect(() => mix({ shape: [3, 3], labels: [1, 2] })).toThrow(/targets must be \[3\], got \[2\]/);
  expect(() => mix({ shape: [3, 3], labels: [1, 2, 5] })).toThrow(DataError);
  const rows = tensor(Int32Array.of(0, 1));
  const batch = { inputs: tensor([1, 2], [2, 1]), targets: rows, samples: rows, occurrence: rows };
  const weighted = { ...batch, epoch: runtimeScalar(() => 0), weights: tensor([1]) };
  expect(() => mixSamples(weighted, withDefaults({}))).toThrow(/weights must be \[2\], got \[1\]/);
});
