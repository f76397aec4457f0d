/**
 * An abort while a step runs: it ends after the kernel that is running, changes nothing, and training can go
 * on from there.
 */
import { AbortedError, data, losses, nn, optim, schedules, Trainer, type FitEvent } from '../../lib';
import { symmetric, values } from '../fixtures/numbers';

const SIDE = 16;
const SAMPLES = 256;
const BATCH = 64;

function samples(count = SAMPLES): Promise<data.Dataset> {
  const images = Uint8Array.from(symmetric(count * SIDE * SIDE * 3, 1, 1), (x) => 128 + 100 * x);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
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

/** A machine that is busy with others may end what is aborted before the abort gets there, but not always. */
const TRIES = 20;

test('an abort ends the step that runs, and does not wait for it', async () => {
  const trainer = makeTrainer();
  const set = await samples();
  let later: number[] = [];
  for (let tries = 0; tries < TRIES && !later.includes(0); tries++) {
    const controller = new AbortController();
    let settled = 0;
    // The step behind that of the event has begun.
    const onEvent = (event: FitEvent): void => {
      if (event.type !== 'step' || controller.signal.aborted) return;
      settled = event.step;
      controller.abort();
    };
    const options = { epochs: 100, batchSize: BATCH, signal: controller.signal, callbacks: [{ onEvent }] };
    const error: unknown = await trainer.fit(set, options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AbortedError);
    later = [...later, stepOf(error) - settled];
  }
  expect(later).toContain(0);
}, 240_000);

test('an abort ends an evaluation as soon', async () => {
  const trainer = makeTrainer();
  const set = await samples(BATCH);
  await trainer.evaluate(set, { batchSize: BATCH }); // compiled, and warm
  const timed = performance.now();
  await trainer.evaluate(set, { batchSize: BATCH });
  const passMs = performance.now() - timed;
  let aborted = false;
  for (let tries = 0; tries < TRIES && !aborted; tries++) {
    const controller = new AbortController();
    const evaluation = trainer.evaluate(set, { batchSize: BATCH, signal: controller.signal });
    setTimeout(() => controller.abort(), passMs / 3);
    const ended: unknown = await evaluation.catch((reason: unknown) => reason);
    aborted = ended instanceof AbortedError;
    if (aborted) expect((ended as Error).message).toBe('evaluate: aborted');
  }
  expect(aborted).toBe(true);
  expect((await trainer.evaluate(set)).loss).toBeGreaterThan(0);
}, 240_000);
