/** Commands on a model file that holds an inputTransform. */
import { join } from 'node:path';
import sharp from 'sharp';
import * as data from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import * as preprocess from '../../lib/preprocess';
import { Trainer } from '../../lib/train';
import { tenon, temporaryDirectory } from './support';

const dir = temporaryDirectory();
const file = join(dir, 'model.safetensors');
let test: data.Dataset;
let expected: { loss: number; accuracy?: number };

beforeAll(async () => {
  const sets = await data.glyphs({ trainCount: 600 });
  test = sets.test;
  const trainer = new Trainer(nn.linear(40, 10), {
    loss: crossEntropy(),
    optimizer: optim.adam({ lr: 0.01 }),
    inputTransform: preprocess.whiten({ components: 40, eps: 0.1 }),
  });
  await trainer.fit(sets.train, { epochs: 3 });
  expected = await trainer.evaluate(test);
  await trainer.model.save(file);
});

it('tenon evaluate goes through it', async () => {
  const { lines } = await tenon('evaluate', '--model-file', file, '--dataset', 'glyphs', '--json');
  expect(expected.accuracy).toBeGreaterThan(0.3);
  expect(lines.at(-1)).toMatchObject({ event: 'done', ...expected });
});

it('tenon predict goes through it', async () => {
  const pixels = Buffer.from(Array.from({ length: 784 }, (_, i) => (i * 7) % 256));
  const image = join(dir, 'image.png');
  await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toFile(image);
  const { lines } = await tenon('predict', '--model-file', file, '--json', image);
  const probabilities = Array.from(await (await nn.load(file)).predict(Uint8Array.from(pixels)));
  expect(lines[0]).toMatchObject({ probability: Math.max(...probabilities) });
});

it('tenon bench measures it, too', async () => {
  const { code, lines } = await tenon(
    'bench',
    '--model',
    file,
    '--steps',
    '1',
    '--batch',
    '4',
    '--profile',
    '--json',
  );
  expect(code).toBe(0);
  const calls = (lines[0] as { calls: { op: string }[] }).calls;
  expect(calls.map(({ op }) => op)).toContain('project');
});
