/** --test-time-augment and --scales of evaluate and predict. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import * as data from '../../lib/data';
import * as losses from '../../lib/losses';
import * as nn from '../../lib/nn';
import { load } from '../../lib/nn/files/load';
import { evaluate } from '../../lib/train';
import { noise } from '../support/noise';
import { temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();
const modelFile = join(dir, 'model.safetensors');
const net = nn.sequential(nn.conv2d(3, 4, { kernel: 3 }), nn.flatten(), nn.linear(144, 2));
const sizeOf = (i: number): [number, number] => [20 + 7 * i, 40 - 5 * i];
const files = Array.from({ length: 5 }, (_, i) => join(dir, 'set/test', i < 2 ? 'cat' : 'dog', `${i}.png`));

beforeAll(async () => {
  net.preprocessing = { height: 8, width: 8, channels: 3, mean: [0.5, 0.5, 0.5], std: [0.1, 0.1, 0.1] };
  net.classNames = ['cat', 'dog'];
  await net.initialize({ seed: 3 }).save(modelFile);
  for (const name of ['cat', 'dog']) mkdirSync(join(dir, 'set/test', name), { recursive: true });
  for (const [i, file] of files.entries()) {
    const [height, width] = sizeOf(i);
    const image = sharp(noise(height, width, 3, i + 1), { raw: { height, width, channels: 3 } });
    writeFileSync(file, await image.png().toBuffer());
  }
});

const flags = ['--model-file', modelFile, '--json'];

it('predict averages over views of each file at its own size', async () => {
  const views = { crops: 10, scales: [9, 60] } as const;
  const asked = ['--test-time-augment', 10, '--scales', '9,60'];
  const { code, lines } = await tenon('predict', ...flags, ...asked, ...files);
  expect(code).toBe(0);
  for (const [i, file] of files.entries()) {
    const [height, width] = sizeOf(i);
    const p = await net.predict(noise(height, width, 3, i + 1), { imageSize: [height, width], ...views });
    expect(lines[i]).toMatchObject({ image: file, probability: Math.max(...p) });
  }
});

it('evaluate does the same for a folder', async () => {
  const { code, lines } = await tenon(
    ...['evaluate', ...flags, '--dataset', 'folder', '--data', join(dir, 'set')],
    ...['--test-time-augment', 5, '--scales', '10, 60'],
  );
  const set = await data.folder({ dir: join(dir, 'set'), split: 'test', imageSize: 8, keep: 'original' });
  const want = await evaluate(net, set, { loss: losses.crossEntropy(), crops: 5, scales: [10, 60] });
  expect(lines.at(-1)).toMatchObject({ event: 'done', loss: want.loss, accuracy: want.accuracy, images: 5 });
  expect(code).toBe(0);
});

it('names each file that cannot be used, and goes on', async () => {
  const small = join(dir, 'small.png');
  writeFileSync(
    small,
    await sharp(noise(7, 9, 3, 1), { raw: { height: 7, width: 9, channels: 3 } })
      .png()
      .toBuffer(),
  );
  const broken = join(dir, 'broken.png');
  writeFileSync(broken, 'no image');
  const { code, lines } = await tenon(
    'predict',
    ...flags,
    '--test-time-augment',
    5,
    small,
    broken,
    files[0]!,
  );
  expect(lines).toMatchObject([
    { event: 'error', code: 'ERR_TENON_SHAPE', message: expect.stringContaining('7x9') as unknown },
    { event: 'error', message: expect.stringContaining('broken.png') as unknown },
    { event: 'prediction', image: files[0] },
    { event: 'done', images: 3, failed: 2 },
  ]);
  expect(code).toBe(1);
});

it.each([
  [['--test-time-augment', '4'], /--test-time-augment must be one of 1, 5, 10/],
  [['--test-time-augment', 'ten'], /--test-time-augment/],
  [['--scales', '9,x'], /--scales/],
  [['--scales', '0'], /--scales/],
  [['--scales', ''], /--scales/],
])('refuses %j', async (asked, message) => {
  const { code, err } = await tenon('predict', '--model-file', modelFile, ...asked, files[0]!);
  expect(err).toMatch(message);
  expect(code).toBe(2);
});

it('train cuts its windows out of images that keep their proportions, and records it', async () => {
  const [set, out] = [join(dir, 'own'), join(dir, 'run')];
  for (let i = 0; i < 8; i++) {
    const [height, width] = sizeOf(i % 4);
    const image = sharp(noise(height, width, 3, i + 1), { raw: { height, width, channels: 3 } });
    const folder = join(set, 'train', i % 2 === 0 ? 'cat' : 'dog');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${i}.png`), await image.png().toBuffer());
  }
  const asked = ['--dataset', 'folder', '--data', set, '--image-size', 16, '--keep', 24, '--model', 'mlp'];
  const augment = ['--augment', 'randomScaleCrop(16,shortSide=18:30),flip', '--epochs', 1, '--out', out];
  const { code, lines } = await tenon('train', ...asked, ...augment, '--json');
  expect(lines[0]).toMatchObject({ event: 'start', keep: 24, imageSize: 16 });
  expect(code).toBe(0);
  expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))).toMatchObject({ keep: 24 });
  const viewed = ['--test-time-augment', 5, '--scales', '16,20', '--validation', 0.5];
  const other = await tenon(
    'train',
    ...asked,
    ...viewed,
    '--epochs',
    1,
    '--out',
    join(dir, 'viewed'),
    '--json',
  );
  const kept = { testTimeAugment: 5, scales: [16, 20] };
  expect(other.lines[0]).toMatchObject({ event: 'start', ...kept });
  expect(JSON.parse(readFileSync(join(dir, 'viewed', 'run.json'), 'utf8'))).toMatchObject(kept);
  const half = await data.folder({ dir: set, split: 'train', imageSize: 16, keep: { shortSide: 24 } });
  const [, held] = half.split([4, 4], { seed: 0 });
  const trained = await load(join(dir, 'viewed', 'model.safetensors'));
  const views = { crops: 5, scales: [16, 20] } as const;
  const measured = await evaluate(trained, held, { loss: losses.crossEntropy(), ...views });
  expect(other.lines[1]).toMatchObject({ event: 'epoch', validationLoss: measured.loss });
  const unkept = await tenon('train', '--dataset', 'folder', '--data', set, '--scales', '20');
  expect(unkept.err).toMatch(/--scales cuts windows out of images that are larger .* with --keep N/);
  expect(unkept.code).toBe(2);
  const wrong = await tenon('train', '--keep', 24);
  expect(wrong.err).toMatch(/--keep belongs to --dataset folder/);
  expect(wrong.code).toBe(2);
});
