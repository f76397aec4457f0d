/** Weights of samples that are mixed: each mixture counts as its parts do. */
import * as augment from '../../lib/augment';
import { compile } from '../../lib/compile/compile';
import { fromArrays, type Dataset } from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import { sum } from '../../lib/ops';
import * as optim from '../../lib/optim';
import { runtimeScalar, type Tensor } from '../../lib/tensor/tensor';
import { Trainer } from '../../lib/train';
import { augmentedBatches } from '../../lib/train/augmented';
import { DatasetSource } from '../../lib/train/batch-source';
import { failure } from './helpers';

const CLASSES = 3;
const SEED = 6;
/** Two samples that count nothing lie side by side in some batches. */
const WEIGHTS = [2, 0.5, 0, 1, 3, 0, 0.25, 1.5, 0, 4, 0, 0.75];
const LISTS: [string, augment.Augmentation[]][] = [
  ['mixup', [augment.mixup({ alpha: 0.8 })]],
  ['cutmix', [augment.cutmix()]],
  ['one of both, and not always', [augment.oneOf([augment.mixup(), augment.cutmix()], { p: 0.7 })]],
];

async function images(): Promise<Dataset> {
  const bytes = Uint8Array.from({ length: 12 * 16 }, (_, i) => (i * 97 + (i >> 4) * 31) % 256);
  const labels = Array.from({ length: 12 }, (_, i) => (i * 2 + (i >> 2)) % CLASSES);
  return fromArrays({ images: bytes, labels, shape: [4, 4, 1] });
}

interface Mixed {
  readonly inputs: number[];
  readonly targets: number[];
  readonly weights: number[] | undefined;
  readonly rows: number[];
}

/** The batches of the first epoch, as a step sees them. */
async function batches(data: Dataset, list: readonly augment.Augmentation[], batchSize: number) {
  const normalization = (await data.statistics())!;
  const options = { seed: SEED, epoch: runtimeScalar(() => 0), normalization, transform: undefined };
  const parts = await augmentedBatches(list, data, options);
  const source = new DatasetSource(data, { cut: { batchSize }, shuffleSeed: SEED, ...parts });
  const run = compile((...args: Tensor[]) => {
    const { inputs, targets, weights } = source.record(args);
    return { inputs, targets, rows: args[0]!, ...(weights && { weights }) };
  });
  const opened = await source.open(0, 0);
  const all: Mixed[] = [];
  for (let batch = await opened.next(); batch !== undefined; batch = await opened.next()) {
    const { inputs, targets, rows, weights } = await run(...batch.args);
    const [x, t, r] = await Promise.all([inputs, targets, rows].map(async (y) => [...(await y.data())]));
    const w = weights && [...(await weights.data())];
    all.push({ inputs: x!, targets: t!, rows: r!, weights: w });
  }
  run.dispose();
  await opened.close();
  return all;
}

/** What the mixtures of a batch should be, in doubles, from those of the same samples without weights. */
function expectedOf({ targets, rows }: Mixed, labels: Int32Array): { targets: number[]; weights: number[] } {
  const out = { targets: new Array<number>(rows.length * CLASSES).fill(0), weights: [] as number[] };
  rows.forEach((row, b) => {
    const other = rows[(b + 1) % rows.length]!;
    const [y, z] = [labels[row]!, labels[other]!];
    const [w, v] = [WEIGHTS[row]!, WEIGHTS[other]!];
    // Where both labels are one, the share cannot be read off, and does not matter for the target.
    const l = y === z ? NaN : targets[b * CLASSES + y]!;
    const weight = y === z ? NaN : l * w + (1 - l) * v;
    out.weights.push(weight);
    const share = y === z ? 1 : weight > 0 ? (l * w) / weight : l;
    out.targets[b * CLASSES + y]! += share;
    out.targets[b * CLASSES + z]! += 1 - share;
  });
  return out;
}

test.each(LISTS)('a mixture has the mean weight, and targets by the weights: %s', async (_, list) => {
  const data = await images();
  const [plain, weighted] = [await batches(data, list, 4), await batches(data.withWeights(WEIGHTS), list, 4)];
  let mixtures = 0;
  weighted.forEach((batch, i) => {
    expect(batch.rows).toEqual(plain[i]!.rows);
    expect(batch.inputs).toEqual(plain[i]!.inputs);
    const expected = expectedOf(plain[i]!, data.labels!);
    expected.targets.forEach((t, k) => expect(batch.targets[k]).toBeCloseTo(t, 6));
    expected.weights.forEach((w, b) => {
      if (!Number.isNaN(w)) expect(batch.weights![b]).toBeCloseTo(w, 6);
      mixtures += Number(w !== WEIGHTS[batch.rows[b]!]!);
    });
  });
  expect(mixtures).toBeGreaterThan(4);
});

/** Loss and gradient of a linear layer on these batches together, in doubles. */
function reference(all: readonly Mixed[], matrix: readonly number[]) {
  let [loss, divisor] = [0, 0];
  const gradient = new Float64Array(matrix.length);
  for (const { inputs, targets, weights } of all)
    weights!.forEach((v, b) => {
      const x = inputs.slice(b * 16, (b + 1) * 16);
      const outputs = Array.from({ length: CLASSES }, (_, k) =>
        x.reduce((s, xi, i) => s + xi * matrix[k * 16 + i]!, 0),
      );
      const total = Math.log(outputs.reduce((s, o) => s + Math.exp(o), 0));
      divisor += v;
      outputs.forEach((output, k) => {
        const q = targets[b * CLASSES + k]!;
        loss -= v * q * (output - total);
        x.forEach((xi, i) => (gradient[k * 16 + i]! += v * (Math.exp(output - total) - q) * xi));
      });
    });
  return { loss: loss / divisor, gradient: gradient.map((g) => g / divisor) };
}

test.each([
  [1, 12],
  [3, 4],
])('a step of %p batches of %p descends the weighted mean', async (accumulate, batchSize) => {
  const list = [augment.oneOf([augment.mixup(), augment.cutmix()])];
  const data = (await images()).withWeights(WEIGHTS);
  const model = nn.sequential(nn.flatten(), nn.linear(16, CLASSES, { bias: false })).initialize({ seed: 1 });
  const [weight] = model.parameters();
  const before = [...(await weight!.data())];
  const { loss, gradient } = reference(await batches(data, list, batchSize), before);
  const optimizer = optim.sgd({ lr: 0.5 });
  const trainer = new Trainer(model, { loss: crossEntropy(), optimizer, augment: list, seed: SEED });
  const { epochs, steps } = await trainer.fit(data, { epochs: 1, batchSize, accumulate });
  expect(steps).toBe(1);
  expect(epochs[0]!.trainLoss).toBeCloseTo(loss, 5);
  const after = await weight!.data();
  before.forEach((w, i) => expect(after[i]).toBeCloseTo(w - 0.5 * gradient[i]!, 5));
});

test("a user's own augmentation may change weights, and gives back as many", async () => {
  const own = (record: augment.Augmentation['record']): augment.Augmentation[] => [
    { name: 'own', settings: {}, stage: 'inputs', record },
  ];
  const data = (await images()).withWeights(WEIGHTS);
  const kept = await batches(
    data,
    own(({ images: x, targets, samples, classes }) => ({ images: x, targets, samples, classes })),
    12,
  );
  expect(kept[0]!.weights).toEqual(kept[0]!.rows.map((row) => WEIGHTS[row]));
  const wrong = own((batch) => ({ ...batch, weights: sum(batch.weights!) }));
  const error = await failure(async () => batches(data, wrong, 12));
  expect(error).toMatchObject({
    code: 'ERR_TENON_SHAPE',
    message: 'augment: own: record must return weights f32 [12], or none',
  });
});
