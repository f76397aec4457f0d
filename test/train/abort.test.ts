/**
 * An abort while a step runs: it ends after the kernel that is running, changes nothing, and training can go
 * on from there.
 */
import { AbortedError, data, losses, nn, optim, schedules, Trainer } from '../../lib';
import { symmetric, values } from '../fixtures/numbers';

const SIDE = 32;
const SAMPLES = 256;
const BATCH = 64;

function samples(): Promise<data.Dataset> {
  const images = Uint8Array.from(symmetric(SAMPLES * SIDE * SIDE * 3, 1, 1), (x) => 128 + 100 * x);
  const labels = Int32Array.from({ length: SAMPLES }, (_, i) => i % 4);
  return data.fromArrays({ images, labels, shape: [SIDE, SIDE, 3] });
}

/** A step of many kernels: some hundred milliseconds. */
function makeTrainer(): Trainer {
  const block = (inputs: number): nn.Module[] => [
    nn.conv2d(inputs, 64, { kernel: 3, padding: 1, bias: false }),
    nn.batchNorm2d(64),
    nn.relu(),
  ];
  const body = [block(3), ...Array.from({ length: 7 }, () => block(64))].flat();
  const model = new nn.Sequential([
    ...body,
    nn.globalAvgPool2d(),
    nn.flatten(),
    nn.dropout(0.5),
    nn.linear(64, 4),
  ]);
  const schedule = schedules.warmup(4);
  return new Trainer(model, { loss: losses.crossEntropy(), optimizer: optim.adam(), schedule, seed: 3 });
}

const stepOf = (error: unknown): number => Number(/after step (\d+)/.exec((error as Error).message)![1]);

test.each([
  ['each batch a step', 1],
  ['two batches per step', 2],
])(
  '%s: an aborted step is as if it had not begun',
  async (_, accumulate) => {
    const set = await samples();
    const options = { epochs: 9, batchSize: BATCH, accumulate };
    const aborted = makeTrainer();
    const controller = new AbortController();
    const begun = performance.now();
    const fit = aborted.fit(set, { ...options, signal: controller.signal });
    for await (const event of fit) {
      if (event.type !== 'step') continue;
      // In the middle of the next but one: the event is of a step that has ended, and the one behind it is
      // half done by then.
      const stepMs = (performance.now() - begun) / event.step;
      setTimeout(() => controller.abort(new Error('enough')), stepMs / 3);
      break;
    }
    const error = await fit.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(AbortedError);
    expect((error as Error).cause).toEqual(new Error('enough'));
    const steps = stepOf(error);
    expect(steps).toBeGreaterThan(0);

    const whole = makeTrainer();
    await whole.fit(set, { ...options, maxSteps: steps });
    expect(values(aborted.model)).toEqual(values(whole.model));
    // The optimizer's count and the draws of dropout are those after the last whole step, too.
    for (const trainer of [aborted, whole]) await trainer.fit(set, { ...options, epochs: 1 });
    expect(values(aborted.model)).toEqual(values(whole.model));
  },
  120_000,
);

test('an abort ends the steps in the queue, and does not wait for them', async () => {
  const trainer = makeTrainer();
  const set = await samples();
  await trainer.fit(set, { epochs: 1, batchSize: SAMPLES }); // compiled, and warm
  const timed = performance.now();
  await trainer.fit(set, { epochs: 2, batchSize: SAMPLES });
  const stepMs = (performance.now() - timed) / 2;
  const controller = new AbortController();
  const fit = trainer.fit(set, { epochs: 100, batchSize: SAMPLES, signal: controller.signal });
  fit.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 2.2 * stepMs));
  const at = performance.now();
  controller.abort();
  await expect(fit).rejects.toBeInstanceOf(AbortedError);
  // Two steps are in the queue; without cancelling, 1 to 2 of them were waited for.
  expect(performance.now() - at).toBeLessThan(stepMs / 2);
}, 120_000);

test('an abort ends an evaluation as soon', async () => {
  const trainer = makeTrainer();
  const set = await samples();
  const timed = performance.now();
  await trainer.evaluate(set, { batchSize: SAMPLES });
  const passMs = performance.now() - timed;
  const controller = new AbortController();
  const evaluation = trainer.evaluate(set, { batchSize: SAMPLES, signal: controller.signal });
  setTimeout(() => controller.abort(), passMs / 8);
  await expect(evaluation).rejects.toThrow('evaluate: aborted');
  expect((await trainer.evaluate(set)).loss).toBeGreaterThan(0);
}, 120_000);
