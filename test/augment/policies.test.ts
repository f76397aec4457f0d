/** Policies against torchvision's tables (test/fixtures/make_augment_tone.py), and what they draw. */
import { augment, OptionError } from '../../lib';
import type { Pixels, PolicyOperation, PolicyStep } from '../../lib/augment';
import { setThreads } from '../../lib/native';
import { FOUND_POLICIES } from '../../lib/augment/found-policies';
import { OPERATIONS, SPACES, type MagnitudeSpace } from '../../lib/augment/policy-operations';
import fixture from '../fixtures/augment_tone.json';

const FORM = { channels: 3, size: [32, 48], mean: [0.5, 0.5, 0.5] } as const;
const SAMPLING = { interpolation: 'nearest', fill: 0 } as const;

/** The first numbers of the parameters of each node that an operation is drawn from. */
function parametersOf(name: PolicyOperation, at: number, space: MagnitudeSpace): number[][] {
  const nodes = OPERATIONS[name]({ at, space: SPACES[space], form: FORM, sampling: SAMPLING });
  return nodes.map((node) => node.slice(2).filter((_, i) => i % 3 === 0));
}

/** The magnitude that torchvision would call it, from the parameters. */
const MEASURES: Readonly<Record<string, (parameters: readonly number[]) => number>> = {
  ShearX: ([x]) => x!,
  ShearY: ([, y]) => y!,
  TranslateX: ([, x]) => x! * 48,
  TranslateY: ([, , y]) => y! * 32,
  Rotate: ([degrees]) => degrees!,
  Brightness: ([factor]) => factor! - 1,
  Color: ([factor]) => factor! - 1,
  Contrast: ([factor]) => factor! - 1,
  Sharpness: ([factor]) => factor! - 1,
  Posterize: ([bits]) => bits!,
  Solarize: ([threshold]) => threshold! / 255,
};

describe.each([
  ['autoAugment', 'standard'],
  ['randAugment', 'standard'],
  ['trivialAugment', 'wide'],
] as const)('magnitudes of %s', (table, space) => {
  const operations = Object.entries(fixture.values.magnitudes[table]) as [
    PolicyOperation,
    [string, boolean],
  ][];
  it.each(operations)('%s', (name, [text, signed]) => {
    const magnitudes = text === '' ? [] : text.split(' ').map(Number);
    if (magnitudes.length === 0) {
      expect(parametersOf(name, 0.5, space).flat()).toEqual([]);
      return;
    }
    magnitudes.forEach((magnitude, i) => {
      // torchvision moves by whole pixels.
      const expected = name.startsWith('Translate') ? Math.trunc(magnitude) : magnitude;
      const measured = parametersOf(name, i / (magnitudes.length - 1), space).map(MEASURES[name]!);
      const signs = signed ? [1, -1] : [1];
      expect(measured).toHaveLength(signs.length);
      signs.forEach((sign, k) =>
        expect(Math.abs(measured[k]! - sign * expected)).toBeLessThan(1e-5 * (1 + expected)),
      );
    });
  });
});

it.each(['cifar10', 'imagenet', 'svhn'] as const)('the policy of %s', (name) => {
  const lines = FOUND_POLICIES[name].map((steps) =>
    steps.map(([operation, p, magnitude]) => {
      const chance = Number.isInteger(p) ? p.toFixed(1) : String(p);
      return [operation, chance, ...(magnitude === undefined ? [] : [magnitude])].join(' ');
    }),
  );
  expect(lines.map((steps) => steps.join(', '))).toEqual(fixture.values.policies[name]);
});

const bytes = Uint8Array.from(Buffer.from(fixture.values.images[0]!.bytes, 'base64'));
const PICTURE: Pixels = { pixels: bytes, shape: [...fixture.values.size, 3] };

function copies(count: number): Pixels {
  const pixels = new Uint8Array(count * bytes.length);
  for (let i = 0; i < count; i++) pixels.set(bytes, i * bytes.length);
  return { pixels, shape: [count, ...PICTURE.shape] };
}

const keys = ({ pixels }: Pixels): string[] =>
  Array.from({ length: pixels.length / bytes.length }, (_, i) =>
    Buffer.from(pixels.subarray(i * bytes.length, (i + 1) * bytes.length)).toString('base64'),
  );

const countOf = (all: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1);
  return counts;
};

it('a policy draws a sub-policy for each image, and each step with its probability', async () => {
  const policy = augment.policy([
    [
      ['Invert', 0.5],
      ['Posterize', 1, 9],
    ],
    [['Solarize', 1, 9]],
  ]);
  const counts = countOf(keys(await augment.apply([policy], copies(4000))));
  const expected = async (...list: Parameters<typeof augment.apply>[0]): Promise<string> =>
    keys(await augment.apply(list, PICTURE))[0]!;
  const shares: [string, number][] = [
    [await expected(augment.posterize(4, { p: 1 })), 0.25],
    [await expected(augment.invert({ p: 1 }), augment.posterize(4, { p: 1 })), 0.25],
    [await expected(augment.solarize(0, { p: 1 })), 0.5],
  ];
  expect(counts.size).toBe(3);
  for (const [image, share] of shares) {
    const n = counts.get(image) ?? 0;
    expect(Math.abs(n - 4000 * share)).toBeLessThan(5 * Math.sqrt(4000 * share * (1 - share)));
  }
});

it('signs are drawn: half of the images become brighter', async () => {
  const policy = augment.policy([[['Brightness', 1, 3]]]);
  const counts = countOf(keys(await augment.apply([policy], copies(2000))));
  const brighter = keys(await augment.apply([augment.brightness([1.3, 1.3])], PICTURE))[0]!;
  const darker = keys(await augment.apply([augment.brightness([0.7, 0.7])], PICTURE))[0]!;
  expect(counts.size).toBe(2);
  expect(Math.abs(counts.get(brighter)! - 1000)).toBeLessThan(112);
  expect(counts.get(darker)).toBe(2000 - counts.get(brighter)!);
});

it('shears keep the corner, as in the paper', async () => {
  const line: Pixels = {
    pixels: Uint8Array.from({ length: 100 }, (_, i) => (i % 10 === 4 ? 255 : 0)),
    shape: [10, 10, 1],
  };
  const { pixels } = await augment.apply([augment.policy([[['ShearX', 1, 9]]])], line);
  const column = (row: number): number => pixels.subarray(10 * row, 10 * row + 10).indexOf(255);
  // x comes from x +- 0.3 y, at centres of pixels, and the nearest pixel.
  const sign = column(9) < 4 ? 1 : -1;
  for (let row = 0; row < 10; row++) {
    const found = column(row);
    if (found < 0) continue;
    expect(Math.floor(found + 0.5 + sign * 0.3 * (row + 0.5))).toBe(4);
  }
  expect(column(0)).toBe(4);
});

it('randAugment draws n operations with replacement, trivialAugment all of its magnitudes', async () => {
  const one = countOf(keys(await augment.apply([augment.randAugment({ n: 1, m: 15 })], copies(3000))));
  // 14 operations, nine of them with two signs; autocontrast and others may coincide with the image itself.
  expect(one.size).toBeGreaterThanOrEqual(21);
  expect(one.size).toBeLessThanOrEqual(23);
  const two = countOf(keys(await augment.apply([augment.randAugment({ n: 2, m: 15 })], copies(3000))));
  expect(two.size).toBeGreaterThan(200);
  const trivial = countOf(keys(await augment.apply([augment.trivialAugment()], copies(3000))));
  expect(trivial.size).toBeGreaterThan(300);
});

it('all policies work on grey images and on odd sizes', async () => {
  const grey: Pixels = { pixels: new Uint8Array(50 * 3 * 7).map((_, i) => i), shape: [50, 3, 7, 1] };
  for (const item of [
    augment.autoAugment('cifar10'),
    augment.autoAugment('svhn', { interpolation: 'bilinear', fill: 128 }),
    augment.autoAugment('imagenet'),
    augment.randAugment({ n: 3 }),
    augment.trivialAugment(),
    augment.trivialAugment({ bins: 100 }),
    augment.policy(augment.policyOperations.map((name): PolicyStep[] => [[name, 1, 9]])),
  ]) {
    const { shape, pixels } = await augment.apply([item], grey);
    expect(shape).toEqual(grey.shape);
    expect(pixels).not.toEqual(grey.pixels);
  }
});

it('an image is the same in any batch, with any number of threads, and another in each epoch', async () => {
  const list = [
    augment.colorJitter({ brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 }),
    augment.randAugment(),
    augment.autoAugment('cifar10'),
    augment.gaussianBlur(5, { p: 0.5 }),
    augment.gaussianNoise({ sigma: 0.05 }),
    augment.saltAndPepper(),
    augment.colorPca(),
  ];
  const options = { seed: 4, epoch: 2 };
  const results: string[][] = [];
  for (const threads of [1, 2, 4]) {
    setThreads(threads);
    results.push(keys(await augment.apply(list, copies(28), options)));
  }
  setThreads(2);
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
  for (const size of [1, 7]) {
    const parts: string[] = [];
    for (let begin = 0; begin < 28; begin += size) {
      const samples = Array.from({ length: size }, (_, i) => begin + i);
      parts.push(...keys(await augment.apply(list, copies(size), { ...options, samples })));
    }
    expect(parts).toEqual(results[0]);
  }
  expect(new Set(results[0]).size).toBe(28);
  const next = keys(await augment.apply(list, copies(28), { ...options, epoch: 3 }));
  next.forEach((image, i) => expect(image).not.toBe(results[0]![i]));
});

const wrong = (step: unknown): unknown => augment.policy([[['Invert', 1], step]] as never);

it.each<[string, () => unknown, RegExp]>([
  [
    'an unknown operation',
    () => wrong(['Rotat', 1, 1]),
    /step 2 of sub-policy 1: unknown operation "Rotat" \(did you mean "Rotate"\?\)/,
  ],
  ['something else', () => wrong([7, 1, 1]), /unknown operation 7; known: Identity, ShearX/],
  ['a probability above 1', () => wrong(['Rotate', 1.5, 1]), /p of step 2 of sub-policy 1 must be/],
  [
    'a magnitude out of range',
    () => wrong(['Rotate', 1, 10]),
    /magnitude of step 2 of sub-policy 1 \(Rotate\) must be a number from 0 to 9, got 10/,
  ],
  ['no magnitude', () => wrong(['Rotate', 1]), /must be a number from 0 to 9, got undefined/],
  [
    'a step that is not a list',
    () => wrong('Rotate'),
    /step 2 of sub-policy 1 must be \[operation, p, magnitude\]/,
  ],
  ['no sub-policies', () => augment.policy([]), /augment.policy: there are no sub-policies/],
  ['an empty sub-policy', () => augment.policy([[]]), /sub-policy 1 has no steps/],
  ['an unknown policy', () => augment.autoAugment('mnist' as never), /augment.autoAugment: policy must be/],
  [
    'a magnitude beyond the bins',
    () => augment.randAugment({ m: 31 }),
    /augment.randAugment: m must be at most bins - 1 = 30, got 31/,
  ],
  ['no operations', () => augment.randAugment({ n: 0 }), /augment.randAugment: n must be/],
  [
    'parts of a bin',
    () => augment.trivialAugment({ bins: 2.5 }),
    /bins must be a whole number from 2 to 100/,
  ],
  ['too many bins', () => augment.trivialAugment({ bins: 101 }), /bins must be a whole number from 2 to 100/],
])('refuses %s', (_, make, message) => {
  expect(make).toThrow(OptionError);
  expect(make).toThrow(message);
});
