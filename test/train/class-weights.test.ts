/** Training and evaluation with weights of classes. */
import type { Dataset } from '../../lib/data';
import * as losses from '../../lib/losses';
import { checkpoint, evaluate, type FitOptions } from '../../lib/train';
import {
  editState,
  failure,
  smallNet,
  smallTrainer,
  someGlyphs,
  temporaryDirectories,
  weightsDigest,
} from './helpers';
import { join } from 'node:path';

const directory = temporaryDirectories();

/** Few of the classes 5 to 9. */
async function unbalanced(): Promise<Dataset> {
  return (await someGlyphs()).filter(({ index, label }) => label! < 5 || index % 3 === 0);
}

test("'balanced' takes the counts of the data set of fit, and evaluate uses the same weights", async () => {
  const data = await unbalanced();
  const counts = data.classCounts();
  expect(counts).toEqual(
    Array.from({ length: 10 }, (_, k) => data.labels!.filter((label) => label === k).length),
  );
  const classWeights = losses.balancedWeights(counts);
  const balanced = smallTrainer(smallNet(), { loss: losses.crossEntropy({ classWeights: 'balanced' }) });
  const given = smallTrainer(smallNet(), { loss: losses.crossEntropy({ classWeights }) });
  const plain = smallTrainer(smallNet(), { loss: losses.crossEntropy() });
  const test = (await someGlyphs()).take(50);
  expect((await failure(() => balanced.evaluate(test))).message).toContain("'balanced' is for Trainer.fit");
  const runs = [balanced, given, plain];
  for (const trainer of runs) await trainer.fit(data, { epochs: 2 });
  const [a, b, c] = await Promise.all(runs.map(({ model }) => weightsDigest(model)));
  expect(a).toBe(b);
  expect(a).not.toBe(c);
  expect(await balanced.evaluate(test)).toEqual(await given.evaluate(test));
});

test('a weighted mean over a data set does not depend on the batches', async () => {
  const data = await unbalanced();
  const model = smallNet().initialize({ seed: 1 });
  const classWeights = [1, 0.1, 3, 0, 1, 5, 2, 0.5, 1, 4];
  const loss = losses.crossEntropy({ classWeights });
  const whole = await evaluate(model, data, { loss, batchSize: data.length });
  for (const batchSize of [1, 7, 32]) {
    const parts = await evaluate(model, data, { loss, batchSize });
    expect(parts.loss).toBeCloseTo(whole.loss, 5);
    expect(parts.accuracy).toBe(whole.accuracy);
  }
  // The mean of the means of batches would be another number.
  const unweighted = await evaluate(model, data, { loss: (o, t) => loss(o, t), batchSize: 7 });
  expect(Math.abs(unweighted.loss - whole.loss)).toBeGreaterThan(1e-3);
});

test('a resume within an epoch has the same bits and the same mean loss', async () => {
  const data = await unbalanced();
  const make = (): ReturnType<typeof smallTrainer> =>
    smallTrainer(smallNet(), { loss: losses.crossEntropy({ classWeights: 'balanced' }) });
  const whole = make();
  const { epochs } = await whole.fit(data, { epochs: 2 });
  const dir = directory();
  const cut: FitOptions = { epochs: 2, maxSteps: 2, callbacks: [checkpoint(dir, { everySteps: 1 })] };
  await make().fit(data, cut);
  const resumed = make();
  const history = await resumed.fit(data, { epochs: 2, resume: dir });
  expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(whole.model));
  expect(history.epochs.map((e) => e.trainLoss)).toEqual(epochs.map((e) => e.trainLoss));
  editState<{ position: { totals: object } }>(join(dir, 'checkpoint-2', 'state.json'), (state) => ({
    ...state,
    position: { ...state.position, totals: { ...state.position.totals, weight: 'x' } },
  }));
  expect(await failure(() => make().fit(data, { epochs: 2, resume: dir }))).toMatchObject({
    code: 'ERR_TENON_FORMAT',
  });
});

test("'balanced' without classes to count is refused at the call", async () => {
  const trainer = smallTrainer(smallNet(), { loss: losses.focal({ alpha: 'balanced' }), augment: [] });
  expect(() => trainer.fit([], { epochs: 1 })).toThrow(
    "'balanced' weights, for which the classes of a Dataset",
  );
  const some = (await someGlyphs()).filter(({ label }) => label !== 3);
  expect(() => trainer.fit(some, { epochs: 1 })).toThrow('there are no examples of class 3');
  await trainer.fit(await someGlyphs(), { epochs: 1 });
});

test('an epoch in which nothing has a weight has a loss of 0, and can be resumed', async () => {
  const fives = (await someGlyphs()).filter(({ label }) => label === 5);
  const classWeights = Array.from({ length: 10 }, (_, k) => (k === 5 ? 0 : 1));
  const loss = losses.crossEntropy({ classWeights });
  const dir = directory();
  const { epochs } = await smallTrainer(smallNet(), { loss }).fit(fives, {
    epochs: 1,
    validation: fives,
    callbacks: [checkpoint(dir)],
  });
  expect([epochs[0]!.trainLoss, epochs[0]!.validationLoss]).toEqual([0, 0]);
  const resumed = await smallTrainer(smallNet(), { loss }).fit(fives, { epochs: 2, resume: dir });
  expect(resumed.epochs.map((epoch) => epoch.trainLoss)).toEqual([0, 0]);
});
