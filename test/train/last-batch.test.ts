/** How an epoch is cut into batches matters to training, and is kept by checkpoints. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromFeatures, type Dataset } from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { checkpoint, Trainer, type FitOptions } from '../../lib/train';
import {
  editState,
  failure,
  smallNet,
  smallTrainer,
  someGlyphs,
  temporaryDirectories,
  weightsDigest,
} from './helpers';

const directory = temporaryDirectories();

/** Four classes of points around centres of their own, in features of unequal spread. */
function clusters(count: number): Promise<Dataset> {
  const width = 16;
  const targets = Int32Array.from({ length: count }, (_, i) => (i * 7) % 4);
  const inputs = Float32Array.from({ length: count * width }, (_, at) => {
    const [i, f] = [Math.floor(at / width), at % width];
    const noise = Math.sin(12.9898 * (at + 1)) * 43758.5453;
    return (1 + f) * (Math.cos(1 + targets[i]! * 5 + f * 3) + 2 * (noise - Math.floor(noise)) - 1);
  });
  return fromFeatures({ inputs, shape: [width], targets });
}

test('a last batch of two samples does not ruin a training: with lastBatch keep 81% of these points are right', async () => {
  const set = await clusters(29 * 128 + 2);
  const block = (inputs: number): nn.Module[] => [
    nn.linear(inputs, 32, { bias: false }),
    nn.batchNorm1d(32),
    nn.relu(),
  ];
  const net = new nn.Sequential([...[16, 32, 32, 32].flatMap(block), nn.linear(32, 4)]);
  const optimizer = optim.sgd({ lr: 0.1, momentum: 0.9 });
  const trainer = new Trainer(net, { loss: crossEntropy(), optimizer, seed: 2 });
  await trainer.fit(set, { epochs: 5, batchSize: 128 });
  expect((await trainer.evaluate(set)).accuracy).toBeGreaterThan(0.98);
});

test.each([
  ['even', 3, 1],
  ['even', 3, 2],
  ['keep', 3, 2],
  ['drop', 2, 2],
] as const)(
  '%s: %d batches of at most 80 of 203 samples, at most %d a step',
  async (lastBatch, batches, accumulate) => {
    const trainer = smallTrainer();
    const fit = { epochs: 2, batchSize: 80, accumulate, lastBatch };
    const steps = 2 * Math.ceil(batches / accumulate);
    expect(await trainer.fit(await someGlyphs(), fit)).toMatchObject({ steps });
  },
);

describe('resume', () => {
  const whole: FitOptions = { epochs: 2, batchSize: 40 };

  /** Trains to the middle of an epoch, and saves. */
  async function interrupted(options: Partial<FitOptions>): Promise<string> {
    const dir = directory();
    const callbacks = [checkpoint(dir, { everySteps: 4 })];
    await smallTrainer().fit(await someGlyphs(), { ...whole, ...options, maxSteps: 4, callbacks });
    return dir;
  }

  test.each([
    ['even', 1],
    ['keep', 1],
    ['drop', 1],
    ['even', 2],
  ] as const)('keeps what the run had: %s, %d batches per step', async (lastBatch, accumulate) => {
    const glyphs = await someGlyphs();
    const reference = smallTrainer();
    await reference.fit(glyphs, { ...whole, accumulate, lastBatch });
    const dir = await interrupted({ accumulate, lastBatch });
    const resumed = smallTrainer();
    await resumed.fit(glyphs, { ...whole, accumulate, resume: dir });
    expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(reference.model));
  });

  /** Rewrites the position of the latest checkpoint. */
  function edit(dir: string, change: (batches: Record<string, unknown>) => void): void {
    const file = join(dir, readFileSync(join(dir, 'latest'), 'utf8').trim(), 'state.json');
    editState<{ position: { batches: Record<string, unknown> } }>(file, (state) => {
      change(state.position.batches);
      return state;
    });
  }

  test('checkpoints from before the option go on with keep', async () => {
    const glyphs = await someGlyphs();
    const reference = smallTrainer();
    await reference.fit(glyphs, { ...whole, lastBatch: 'keep' });
    const dir = await interrupted({ lastBatch: 'keep' });
    edit(dir, (batches) => delete batches.lastBatch);
    const resumed = smallTrainer();
    await resumed.fit(glyphs, { ...whole, resume: dir });
    expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(reference.model));
  });

  test('another one in the middle of an epoch, or an unknown one, is an error', async () => {
    const glyphs = await someGlyphs();
    const dir = await interrupted({});
    const resume = (options: Partial<FitOptions>): Promise<Error> =>
      failure(() => smallTrainer(smallNet()).fit(glyphs, { ...whole, resume: dir, ...options }));
    const message = 'in the middle of an epoch with lastBatch even, this run has drop';
    expect((await resume({ lastBatch: 'drop' })).message).toContain(message);
    edit(dir, (batches) => (batches.lastBatch = 'odd'));
    expect((await resume({})).message).toContain('lastBatch is not one of even, keep, drop');
  });
});

test('wrong values, streams and sets that drop leaves nothing of are refused at once', async () => {
  const glyphs = await someGlyphs();
  const fit = (options: object) => () => smallTrainer().fit(glyphs, { epochs: 1, ...options });
  expect(fit({ lastBatch: 'drop', batchSize: 204 })).toThrow(
    "fit: lastBatch 'drop' leaves no batch of 204: there are 203 samples",
  );
  expect(fit({ lastBatch: '' })).toThrow('fit: lastBatch must be');
  expect(() => smallTrainer(smallNet(), { augment: [] }).fit([], { epochs: 1, lastBatch: 'keep' })).toThrow(
    'lastBatch is for a Dataset',
  );
});
