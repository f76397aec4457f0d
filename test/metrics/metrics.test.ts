import { DataError, OptionError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import * as metrics from '../../lib/metrics';
import * as nn from '../../lib/nn';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { numbers } from '../ops/support';
import { failure, smallTrainer, someGlyphs } from '../train/helpers';

const [rows, classes] = [57, 6];
/** Rounded, so that many scores are equal. */
const scores = Float32Array.from(numbers([rows, classes]), (v) => Math.round(4 * v) / 4);
const labels = Int32Array.from(numbers([rows], 2), (v) => Math.floor(((v + 1) / 2) * classes));
const row = (i: number): number[] => [...scores.subarray(i * classes, (i + 1) * classes)];
/** Classes from the best to the worst; of equal ones the first is better. */
const ranking = (i: number): number[] =>
  row(i)
    .map((_, j) => j)
    .sort((a, b) => row(i)[b]! - row(i)[a]! || a - b);

/** The metric over three batches, in compiled steps. */
async function measure<R>(metric: metrics.Metric<R>, soft = false): Promise<R> {
  const running = metrics.running(metric);
  const step = compile((x: Tensor, t: Tensor) => {
    running.update(x, t);
    return {};
  });
  const oneHot = (label: number): number[] => Array.from({ length: classes }, (_, j) => Number(j === label));
  for (const [from, to] of [
    [0, 20],
    [20, 40],
    [40, rows],
  ] as const) {
    const part = [...labels.subarray(from, to)];
    const targets = soft
      ? tensor(Float32Array.from(part.flatMap(oneHot)), [to - from, classes])
      : tensor(Int32Array.from(part));
    await step(tensor(scores.slice(from * classes, to * classes), [to - from, classes]), targets);
  }
  const value = await running.value();
  await running.reset();
  step.dispose();
  running.dispose();
  return value;
}

test.each([1, 2, 5, 6])('top %i', async (k) => {
  const hits = [...labels].filter((label, i) => ranking(i).slice(0, k).includes(label)).length;
  expect(await measure(metrics.topK(k))).toBeCloseTo(hits / rows, 12);
  expect(await measure(metrics.topK(k), true)).toBeCloseTo(hits / rows, 12);
});

test('top 1 is the accuracy', async () => {
  expect(await measure(metrics.topK(1))).toBe(await measure(metrics.accuracy()));
});

test('NaN counts as the largest output, and infinite outputs of other classes change nothing', async () => {
  const x = tensor(
    [
      [1, NaN, 2, -Infinity],
      [1, NaN, NaN, 2],
      [-Infinity, 3, -Infinity, 1],
      [Infinity, 0, Infinity, -Infinity],
    ].flat(),
    [4, 4],
  );
  const hits = (k: number, ...labels: number[]): Promise<number> =>
    metrics
      .topK(k)
      .count(x, tensor(Int32Array.from(labels)))
      .item();
  expect(await hits(1, 1, 1, 1, 0)).toBe(4);
  expect(await hits(1, 2, 2, 3, 2)).toBe(0);
  expect(await hits(2, 2, 2, 3, 2)).toBe(4);
  expect(await hits(3, 3, 0, 2, 3)).toBe(0);
  expect(await hits(3, 0, 3, 0, 1)).toBe(4);
  const matrix = (labels: number[]): Promise<ArrayLike<number>> =>
    metrics
      .confusionMatrix(4)
      .count(x, tensor(Int32Array.from(labels)))
      .data();
  // The same classes as the best ones: 1, 1, 1, 0.
  expect([...Array.from(await matrix([2, 2, 3, 2]))]).toEqual([
    0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0,
  ]);
});

test('the confusion matrix counts pairs of true and predicted classes', async () => {
  const expected = Array.from({ length: classes }, () => Array<number>(classes).fill(0));
  labels.forEach((label, i) => expected[label]![ranking(i)[0]!]!++);
  const report = await measure(metrics.confusionMatrix(classes));
  expect(report.matrix).toEqual(expected);
  expect(report.accuracy).toBeCloseTo(await measure(metrics.accuracy()), 12);
  expect((await measure(metrics.confusionMatrix(classes), true)).matrix).toEqual(expected);
});

test('precision, recall and F1', () => {
  // 10 cats, 4 of them taken for dogs; 5 dogs, all found; nothing is a bird, or taken for one.
  const report = metrics.classificationReport([
    [6, 4, 0],
    [0, 5, 0],
    [0, 0, 0],
  ]);
  const [cat, dog, bird] = report.classes;
  expect(cat).toEqual({ precision: 1, recall: 0.6, f1: 0.75, support: 10 });
  expect(dog).toEqual({ precision: 5 / 9, recall: 1, f1: 5 / 7, support: 5 });
  expect(bird).toEqual({ precision: 0, recall: 0, f1: 0, support: 0 });
  expect(report.accuracy).toBeCloseTo(11 / 15, 12);
  expect(report.macro.precision).toBeCloseTo((1 + 5 / 9) / 3, 12);
  expect(report.macro.f1).toBeCloseTo((0.75 + 5 / 7) / 3, 12);
  expect(report.weighted.precision).toBeCloseTo((10 + 25 / 9) / 15, 12);
  expect(report.weighted.recall).toBeCloseTo(11 / 15, 12);
  expect(metrics.classificationReport([[0]]).weighted).toEqual({ precision: 0, recall: 0, f1: 0 });
});

test('a trainer evaluates metrics beside loss and accuracy, each time from the beginning', async () => {
  const data = await someGlyphs();
  const trainer = smallTrainer();
  await trainer.fit(data, { epochs: 1, batchSize: 32 });
  const matrix = metrics.running(metrics.confusionMatrix(10));
  const top3 = metrics.running(metrics.topK(3));
  for (const batchSize of [64, 50]) {
    const { accuracy } = await trainer.evaluate(data, { batchSize, metrics: [matrix, top3] });
    const report = await matrix.value();
    expect(report.accuracy).toBe(accuracy);
    expect(report.classes.reduce((n, c) => n + c.support, 0)).toBe(data.length);
    expect(await top3.value()).toBeGreaterThanOrEqual(accuracy!);
  }
  const bad = { metrics: [metrics.accuracy()] } as never;
  expect((await failure(() => trainer.evaluate(data, bad))).message).toContain(
    'metrics must be a list of what metrics.running() makes',
  );
});

test('bad options, operands and labels', async () => {
  const x = tensor(scores, [rows, classes]);
  const t = tensor(labels);
  expect(() => metrics.topK(0)).toThrow(OptionError);
  expect(() => metrics.confusionMatrix(2.5)).toThrow('metrics.confusionMatrix: classes');
  expect(() => metrics.topK(7).count(x, t)).toThrow('k is 7, but there are 6 classes');
  expect(() => metrics.topK(2).count(x, tensor(labels.slice(1)))).toThrow(ShapeError);
  expect(() => metrics.confusionMatrix(5).count(x, t)).toThrow('outputs of 5 classes, they have 6');
  expect(() => metrics.confusionMatrix(5).count(t, t)).toThrow(ShapeError);
  const pair = tensor(new Float32Array(6), [2, 3]);
  const narrow = tensor(new Float32Array(4), [2, 2]);
  for (const metric of [metrics.accuracy(), metrics.topK(2), metrics.confusionMatrix(3)])
    expect(() => metric.count(pair, narrow)).toThrow('got [2, 3] and [2, 2]');
  const wrong = tensor(labels.map((label) => label + 1));
  for (const metric of [metrics.accuracy(), metrics.topK(2), metrics.confusionMatrix(classes)])
    await expect(metric.count(x, wrong).data()).rejects.toThrow(DataError);
  expect(() => metrics.running(metrics.accuracy()).update(x, t)).toThrow('assign');
  expect(() => metrics.classificationReport([[1, 2]])).toThrow(OptionError);
  expect(() => metrics.classificationReport([[-1]])).toThrow(OptionError);
  expect(() => metrics.classificationReport(3 as never)).toThrow('a square matrix of counts, got 3');
});

test('outputs of a model take part', async () => {
  const model = nn.linear(4, 3).initialize();
  const running = metrics.running(metrics.accuracy());
  const step = compile((inputs: Tensor, t: Tensor) => {
    running.update(model.forward(inputs), t);
    return {};
  });
  await step(tensor(new Float32Array(8), [2, 4]), tensor(Int32Array.of(0, 1)));
  expect([0, 0.5]).toContain(await running.value());
});
