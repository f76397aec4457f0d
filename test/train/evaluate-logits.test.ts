/** What evaluation averages over passes with noise: probabilities, where the loss takes logits. */
import { compile } from '../../lib/compile/compile';
import * as losses from '../../lib/losses';
import type { Loss } from '../../lib/losses';
import * as nn from '../../lib/nn';
import { inSampleMode } from '../../lib/nn/mode';
import * as optim from '../../lib/optim';
import { RandomState } from '../../lib/random';
import { fromFeatures, type Dataset } from '../../lib/data';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { evaluate, Trainer } from '../../lib/train';
import { numbers } from '../ops/support';

const COUNT = 12;
const INPUTS = Float32Array.from(numbers([COUNT, 4]));

/** Outputs as large as `scale` makes them, of inputs with dropout. */
function model(scale: number): nn.Module {
  const net = nn.sequential(nn.linear(4, 8), nn.tanh(), nn.dropout(0.5), nn.linear(8, 3, { bias: false }));
  net.initialize({ seed: 3 });
  const [, , weight] = net.parameters();
  weight!.storage.writeSync(Float32Array.from(numbers([3, 8]), (x) => x * scale));
  return net;
}

/** The outputs of each pass, as training would compute them with that seed, one step a pass. */
async function passes(net: nn.Module, samples: number, seed: number): Promise<number[][]> {
  const step = compile((x: Tensor) => net.forward(x), { random: new RandomState(seed) });
  const all: number[][] = [];
  for (let pass = 0; pass < samples; pass++)
    all.push([...(await (await inSampleMode(net, () => step(tensor(INPUTS, [COUNT, 4])))).data())]);
  step.dispose();
  return all;
}

function set(targets: Float32Array): Promise<Dataset> {
  return fromFeatures({ inputs: INPUTS, shape: [4], targets, targetShape: [3] });
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Each output's mean over the passes of a function of them. */
function means(all: readonly number[][], of: (pass: readonly number[], i: number) => number): number[] {
  return all[0]!.map((_, i) => mean(all.map((pass) => of(pass, i))));
}

const MANY = Float32Array.from({ length: COUNT * 3 }, (_, i) => Number((i * 7) % 5 < 2));
/** Rows of three shares that add up to 1. */
const SHARES = Float32Array.from(
  { length: COUNT * 3 },
  (_, i) => [0.7, 0.3, 0][(i + Math.floor(i / 3)) % 3]!,
);

const softmax = (pass: readonly number[], i: number): number => {
  const row = pass.slice(3 * Math.floor(i / 3), 3 * Math.floor(i / 3) + 3);
  const top = Math.max(...row);
  return Math.exp(pass[i]! - top) / row.reduce((s, x) => s + Math.exp(x - top), 0);
};

/** -y log p - (1 - y) log q of means of probabilities, in doubles. */
function binary(all: readonly number[][]): number {
  const p = means(all, (pass, i) => sigmoid(pass[i]!));
  const q = means(all, (pass, i) => sigmoid(-pass[i]!));
  return mean(p.map((pi, i) => -MANY[i]! * Math.log(pi) - (1 - MANY[i]!) * Math.log(q[i]!)));
}

/** Lin et al.'s with gamma 2 and alpha 0.25. */
function sigmoidFocal(all: readonly number[][]): number {
  const p = means(all, (pass, i) => sigmoid(pass[i]!));
  const q = means(all, (pass, i) => sigmoid(-pass[i]!));
  const each = (own: number, other: number, alpha: number) => -alpha * other ** 2 * Math.log(own);
  return mean(p.map((pi, i) => (MANY[i] === 1 ? each(pi, q[i]!, 0.25) : each(q[i]!, pi, 0.75))));
}

function soft(all: readonly number[][]): number {
  const p = means(all, softmax);
  return -p.reduce((s, pi, i) => s + SHARES[i]! * Math.log(pi), 0) / COUNT;
}

const squares = (all: readonly number[][]): number =>
  mean(means(all, (pass, i) => pass[i]!).map((x, i) => (x - MANY[i]!) ** 2));

const CASES: [string, Loss, Float32Array, (all: readonly number[][]) => number][] = [
  ['binaryCrossEntropyWithLogits', losses.binaryCrossEntropyWithLogits(), MANY, binary],
  ['sigmoidFocal', losses.sigmoidFocal({ alpha: 0.25 }), MANY, sigmoidFocal],
  ['crossEntropy of probabilities', losses.crossEntropy(), SHARES, soft],
  ['mse, of the mean output', losses.mse(), MANY, squares],
];

// At 60, 1 - p is 0 in a float for many outputs.
describe.each([1, 60])('outputs of scale %p', (scale) => {
  test.each(CASES)('%s', async (_, loss, targets, reference) => {
    const net = model(scale);
    const all = await passes(net, 5, 11);
    const expected = reference(all);
    for (const batchSize of [128, 5]) {
      const found = await evaluate(net, await set(targets), { loss, samples: 5, seed: 11, batchSize });
      expect(Math.abs(found.loss - expected)).toBeLessThan(2e-6 * Math.max(1, Math.abs(expected)));
    }
  });
});

test('the loss falls with more samples', async () => {
  const net = model(8);
  const data = await set(MANY);
  const loss = losses.binaryCrossEntropyWithLogits();
  const of = async (samples: number): Promise<number> => {
    const seeds = Array.from({ length: 20 }, (_, seed) => evaluate(net, data, { loss, samples, seed }));
    return mean((await Promise.all(seeds)).map((found) => found.loss));
  };
  const [one, four, sixteen] = [await of(1), await of(4), await of(16)];
  expect(four).toBeLessThan(one - 0.05);
  expect(sixteen).toBeLessThan(four);
});

test('validation in training averages the same', async () => {
  const net = model(4);
  const loss = losses.binaryCrossEntropyWithLogits();
  const trainer = new Trainer(net, { loss, optimizer: optim.sgd({ lr: 0.1 }) });
  const data = await set(MANY);
  const validation = { data, samples: 4, seed: 2 };
  const { epochs } = await trainer.fit(data, { epochs: 1, validation });
  expect(epochs[0]!.validationLoss).toBe((await trainer.evaluate(data, { samples: 4, seed: 2 })).loss);
  expect(epochs[0]!.validationLoss).toBeCloseTo(binary(await passes(net, 4, 2)), 5);
});

test('predict averages sigmoids on request', async () => {
  const net = model(4);
  const options = { shape: [4], samples: 5, seed: 11, output: 'sigmoid' } as const;
  const found = await net.predict(INPUTS, options);
  const expected = means(await passes(net, 5, 11), (pass, i) => sigmoid(pass[i]!));
  expected.forEach((p, i) => expect(found[i]).toBeCloseTo(p, 6));
  const once = await net.predict(INPUTS, { shape: [4], output: 'sigmoid' });
  const raw = await net.predict(INPUTS, { shape: [4], output: 'logits' });
  raw.forEach((x, i) => expect(once[i]).toBeCloseTo(sigmoid(x), 6));
  await expect(net.predict(INPUTS, { shape: [4], output: 'sigmoids' as never })).rejects.toThrow(
    /output must be/,
  );
});
