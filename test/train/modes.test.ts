/**
 * Which layers a run of training puts into training mode: a loaded model's all, never those that were put
 * into evaluation mode by hand.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Tensor } from '../../lib/tensor/tensor';
import { fromFeatures, type Dataset } from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { rateRange, Trainer } from '../../lib/train';
import { failure, temporaryDirectory } from './helpers';

const directory = temporaryDirectory();
afterAll(() => rmSync(directory, { recursive: true }));

function body(): Record<string, nn.Module> {
  return { fc1: nn.linear(6, 8), norm: nn.batchNorm1d(8), act: nn.relu(), drop: nn.dropout(0.5) };
}

function newNet(): nn.NamedSequential {
  return nn.namedSequential({ ...body(), head: nn.linear(8, 3) }).initialize({ seed: 4 });
}

async function loadedNet(): Promise<nn.NamedSequential> {
  const file = join(directory, 'model.safetensors');
  await newNet().save(file);
  return (await nn.load(file)) as nn.NamedSequential;
}

/** The same stages under a new model, with another head. */
function underNewHead({ stages }: nn.NamedSequential): nn.NamedSequential {
  return nn.namedSequential({ ...stages, head: nn.linear(8, 3) });
}

function data(count = 40): Promise<Dataset> {
  const inputs = Float32Array.from({ length: count * 6 }, (_, i) => 3 + Math.sin(i * 1.7) * (1 + (i % 6)));
  const targets = Int32Array.from({ length: count }, (_, i) => i % 3);
  return fromFeatures({ inputs, shape: [6], targets });
}

function trainerOf(model: nn.Module): Trainer {
  return new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.05 }), seed: 2 });
}

type Stats = nn.BatchNorm1d;

async function statistics(model: nn.NamedSequential): Promise<number[]> {
  const { runningMean, runningVar } = model.stages.norm as Stats;
  return [...(await runningMean!.data()), ...(await runningVar!.data())];
}

function modes(model: nn.Module): Record<string, boolean> {
  return Object.fromEntries([...model.namedModules()].map(([path, module]) => [path, module.training]));
}

async function bits(model: nn.Module): Promise<number[]> {
  const all: Tensor[] = [...model.namedParameters().values(), ...model.namedBuffers().values()];
  return (await Promise.all(all.map((tensor) => tensor.data()))).flatMap((values) => [...values]);
}

test('a loaded model, and its stages under a new head, train as new ones do', async () => {
  const set = await data();
  const fresh = newNet();
  const loaded = await loadedNet();
  expect(modes(loaded)).toEqual(Object.fromEntries(Object.keys(modes(loaded)).map((path) => [path, false])));
  const freshHeaded = underNewHead(newNet());
  const reused = underNewHead(await loadedNet());
  const before = await statistics(reused);
  for (const model of [fresh, loaded, freshHeaded, reused])
    await trainerOf(model).fit(set, { epochs: 2, batchSize: 10 });
  expect(await bits(loaded)).toEqual(await bits(fresh));
  expect(await bits(reused)).toEqual(await bits(freshHeaded));
  expect(await statistics(reused)).not.toEqual(before);
  expect(modes(reused)).toEqual(modes(freshHeaded));
});

test('what predict, evaluate, summary, updateBatchNorm and a failed run do in between does not count', async () => {
  const set = await data();
  const reused = underNewHead(await loadedNet());
  const trainer = trainerOf(reused);
  const before = modes(reused);
  await reused.predict(new Float32Array(12), { shape: [6] });
  await trainer.evaluate(set);
  reused.summary({ inputShape: [6] });
  await trainer.updateBatchNorm(set);
  await nn.activationStatistics(
    reused,
    new Tensor([2, 6], 'f32', { kind: 'host', array: new Float32Array(12) }),
  );
  await failure(() => reused.predict(new Float32Array(10), { shape: [5] }));
  await failure(async () =>
    trainer.evaluate(await fromFeatures({ inputs: [1, 2], shape: [2], targets: [0] })),
  );
  await failure(() => trainer.fit(set, { epochs: 1, signal: AbortSignal.abort() }));
  await rateRange(reused, set, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 1 }), steps: 3 });
  expect(modes(reused)).toEqual(before);
  const statisticsBefore = await statistics(reused);
  await trainer.fit(set, { epochs: 1 });
  expect(await statistics(reused)).not.toEqual(statisticsBefore);
  expect(Object.values(modes(reused))).not.toContain(false);
});

test('dropout of reused stages drops while they are trained', async () => {
  const reused = underNewHead(await loadedNet());
  const seen: number[][] = [];
  const drop = reused.stages.drop as nn.Dropout;
  const trainer = trainerOf(reused);
  await trainer.fit(await data(), {
    epochs: 1,
    callbacks: [{ everySteps: 1, onSteps: () => void seen.push([Number(drop.training)]) }],
  });
  expect(seen.flat()).not.toContain(0);
  const [row] = String(reused.summary({ inputShape: [6] }))
    .split('\n')
    .filter((line) => line.startsWith('drop'));
  expect(row).toMatch(/^drop +Dropout +train /);
});

test('layers in evaluation mode by hand stay so, in new, loaded and reused models', async () => {
  const set = await data();
  for (const model of [newNet(), await loadedNet(), underNewHead(await loadedNet())]) {
    const before = await statistics(model);
    const weight = (): Promise<ArrayLike<number>> => (model.stages.norm as Stats).weight!.data();
    const weightBefore = await weight();
    model.stages.norm!.eval();
    (model.stages.drop as nn.Dropout).training = false;
    const trainer = trainerOf(model);
    await trainer.evaluate(set);
    await trainer.fit(set, { epochs: 1, batchSize: 10 });
    await trainer.updateBatchNorm(set);
    expect(await statistics(model)).toEqual(before);
    expect(await weight()).not.toEqual(weightBefore);
    expect(modes(model)).toEqual({ '': true, fc1: true, norm: false, act: true, drop: false, head: true });
  }
});

test('a model that was put into evaluation mode as a whole is trained as a whole', async () => {
  const model = newNet().eval();
  const before = await statistics(model);
  await trainerOf(model).fit(await data(), { epochs: 1 });
  expect(await statistics(model)).not.toEqual(before);
  expect(Object.values(modes(model))).not.toContain(false);
});

test('two trainers, one after the other, share loaded stages', async () => {
  const set = await data();
  const base = await loadedNet();
  const [first, second] = [underNewHead(base), underNewHead(base)];
  await trainerOf(first).fit(set, { epochs: 1 });
  const between = await statistics(second);
  await trainerOf(second).fit(set, { epochs: 1 });
  expect(await statistics(second)).not.toEqual(between);
});

test('a file does not say in which mode its model was', async () => {
  const model = newNet();
  const bytes = await model.toBuffer();
  expect(await model.eval().toBuffer()).toEqual(bytes);
  expect(await (await loadedNet()).toBuffer()).toEqual(bytes);
});

test('summary shows the mode of layers that have one', () => {
  const model = nn.namedSequential({
    fc: nn.linear(6, 8),
    norm: nn.batchNorm1d(8),
    inner: nn.sequential(nn.relu(), nn.dropout(0.1)),
  });
  model.stages.norm!.eval();
  const summary = model.summary({ inputShape: [6] });
  expect(Object.fromEntries(summary.rows.map(({ path, mode }) => [path, mode]))).toEqual({
    fc: undefined,
    norm: 'eval',
    'inner.0': undefined,
    'inner.1': 'train',
    inner: undefined,
  });
  expect(String(summary)).toMatch(/norm +BatchNorm1d +eval +\[1, 8\]/);
  const withoutStatistics = nn.sequential(nn.instanceNorm1d(4)).summary({ inputShape: [4, 6] });
  expect(withoutStatistics.rows[0]).not.toHaveProperty('mode');
});
