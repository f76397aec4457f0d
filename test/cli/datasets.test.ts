import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { openSplits } from '../../lib/cli/datasets';
import { completeRecipe } from '../../lib/cli/recipe';
import { folder, type ResizeRule } from '../../lib/data';
import { decode } from '../../lib/data/decode';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { Trainer } from '../../lib/train';
import { tarOf } from '../data/helpers';
import { pngOfZeros } from '../data/png-bytes';
import { tenon, temporaryDirectory } from './support';

const dir = temporaryDirectory();

function png(): Promise<Buffer> {
  return sharp({ create: { width: 2, height: 2, channels: 3, background: 'black' } })
    .png()
    .toBuffer();
}

/** A folder data set with these splits, each of a cat and a dog. */
async function folders(name: string, ...splits: string[]): Promise<string> {
  for (const split of splits) {
    for (const kind of ['cat', 'dog']) {
      mkdirSync(join(dir, name, split, kind), { recursive: true });
      writeFileSync(join(dir, name, split, kind, '1.png'), await png());
    }
  }
  return join(dir, name);
}

async function testLength(data: string): Promise<number | undefined> {
  const { train, test } = await openSplits({
    dataset: 'folder',
    data,
    imageSize: null,
    resize: null,
    onError: 'throw',
    limits: {},
  });
  expect(train.length).toBe(2);
  return test?.length;
}

test('the test split of a folder is test, or else val', async () => {
  expect(await testLength(await folders('both', 'train', 'val', 'test'))).toBe(2);
  expect(await testLength(await folders('val', 'train', 'val'))).toBe(2);
  expect(await testLength(await folders('none', 'train'))).toBeUndefined();
});

test('a folder that holds the classes themselves is all for training', async () => {
  expect(await testLength(await folders('flat', '.'))).toBeUndefined();
});

test('a folder with splits under other names is not taken for one of classes', async () => {
  const data = await folders('others', 'training', 'testing');
  await expect(testLength(data)).rejects.toThrow('has no split train');
});

test('an archive may have a name before its split', async () => {
  const data = await folders('archive', 'train', 'val');
  writeFileSync(join(data, 'pets-test.tar'), await tarOf({ 'cat/1.png': await png() }));
  expect(await testLength(data)).toBe(1);
});

test('a folder whose name ends like a split is none, nor is a file without an ending', async () => {
  const data = await folders('ending', 'train', 'val', 'ab-test');
  writeFileSync(join(data, 'test'), 'notes');
  expect(await testLength(data)).toBe(2);
});

describe('cifar100', () => {
  const data = join(dir, 'cifar100');
  const from = ['--dataset', 'cifar100', '--data', data];

  /** Records of a coarse label, a fine one, and pixels that are as bright as the fine label. */
  function records(count: number): Buffer {
    const one = (i: number): Buffer =>
      Buffer.concat([Buffer.from([i % 20, i % 100]), Buffer.alloc(3072, i % 100)]);
    return Buffer.concat(Array.from({ length: count }, (_, i) => one(i)));
  }

  beforeAll(() => {
    mkdirSync(data);
    writeFileSync(join(data, 'train.bin'), records(400));
    writeFileSync(join(data, 'test.bin'), records(100));
  });

  test('is trained on and evaluated by its fine labels', async () => {
    const out = join(dir, 'run-cifar100');
    const short = ['--model', 'mlp', '--epochs', 1, '--out', out, '--json'];
    const { code, lines } = await tenon('train', ...from, ...short);
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({
      ...{ dataset: 'cifar100', augment: ['flip', 'crop'] },
      ...{ trainImages: 380, validationImages: 20, testImages: 100 },
    });
    const file = join(out, 'model.safetensors');
    expect((await nn.load(file)).classNames).toHaveLength(100);
    const { lines: evaluated } = await tenon('evaluate', '--model-file', file, ...from, '--json');
    const { testLoss, testAccuracy } = lines.at(-1)!;
    expect(evaluated.at(-1)).toMatchObject({ images: 100, loss: testLoss, accuracy: testAccuracy });
  });

  test.each([
    [['--dataset', 'cifar100'], '--dataset cifar100 needs --data DIR'],
    [
      [...from, '--image-size', '32'],
      '--image-size belongs to --dataset folder; images of cifar100 have one',
    ],
    [[...from, '--on-error', 'skip'], '--on-error belongs to --dataset folder; cifar100 has no image files'],
    [[...from, '--limits', 'maxBytes=9'], '--limits maxBytes is for compressed files; cifar100 has none'],
    [[...from, '--limits', 'maxPixels=9'], '--limits maxPixels is for image files; cifar100 has none'],
    [
      ['--dataset', 'glyphs', '--data', data],
      'name another with --dataset mnist, cifar10, cifar100 or folder',
    ],
  ])('%j contradict each other', async (args, message) => {
    expect(await tenon('train', ...args)).toMatchObject({ code: 2, err: expect.stringContaining(message) });
  });

  test('deep networks train on it as on cifar10', () => {
    const of = (dataset: 'cifar10' | 'cifar100'): object => completeRecipe({ dataset, data });
    expect(of('cifar100')).toEqual({ ...of('cifar10'), dataset: 'cifar100' });
    expect(of('cifar100')).toMatchObject({ model: 'resnet20', epochs: 15 });
  });
});

describe('limits on files', () => {
  const file = join(dir, 'limits.safetensors');
  const data = join(dir, 'large');
  const image = join(data, 'train', 'cat', '1.png');
  const raised = ['--limits', 'maxExpansion=2000'];

  beforeAll(async () => {
    for (const kind of ['cat', 'dog']) {
      mkdirSync(join(data, 'train', kind), { recursive: true });
      writeFileSync(join(data, 'train', kind, '1.png'), pngOfZeros(6000, 2000, true)); // 96 MB in 96 KB
    }
    const model = nn.sequential(nn.flatten(), nn.linear(16, 2)).initialize({ seed: 1 });
    model.preprocessing = { height: 4, width: 4, channels: 1, mean: [0.5], std: [0.25] };
    await model.save(file);
  });

  test('of predict and evaluate', async () => {
    const predict = ['predict', '--model-file', file, image];
    expect(await tenon(...predict)).toMatchObject({ code: 1, err: expect.stringContaining('maxExpansion') });
    expect(await tenon(...predict, ...raised)).toMatchObject({ code: 0, err: '' });
    const evaluate = [
      'evaluate',
      '--model-file',
      file,
      '--dataset',
      'folder',
      '--data',
      data,
      '--split',
      'train',
    ];
    expect(await tenon(...evaluate)).toMatchObject({ code: 1, err: expect.stringContaining('maxExpansion') });
    expect(await tenon(...evaluate, ...raised)).toMatchObject({ code: 0, err: '' });
  });

  test('of train, which keeps them for resuming', async () => {
    const out = join(dir, 'run-limits');
    const run = ['train', '--dataset', 'folder', '--data', data, '--out', out, '--image-size', 4];
    const short = ['--model', 'mlp', '--epochs', 1, '--validation', 0, '--json'];
    expect((await tenon(...run, ...short)).lines.at(-1)).toMatchObject({
      event: 'error',
      message: expect.stringContaining('(option maxExpansion)'),
    });
    const { code, lines } = await tenon(...run, ...short, ...raised);
    expect([code, lines[0]]).toEqual([0, expect.objectContaining({ limits: { maxExpansion: 2000 } })]);
    expect((await tenon('train', '--resume', out, '--epochs', 2)).code).toBe(0);
    const refused = await tenon('train', '--resume', out, '--epochs', 3, '--limits', 'maxPixels=99');
    expect(refused.err).toContain('more than 99 (option maxPixels)');
  });
});

describe('images come to the size of the model', () => {
  const file = join(dir, 'model.safetensors');
  const model = nn.sequential(nn.flatten(), nn.linear(16, 2)).initialize({ seed: 1 });
  model.classNames = ['cat', 'dog'];
  const images = join(dir, 'wide');
  const image = join(images, 'test', 'cat', '1.png');
  const from = ['--dataset', 'folder', '--data', images];

  beforeAll(async () => {
    const pixels = Buffer.from(Array.from({ length: 32 }, (_, i) => (i * i * 7) % 256));
    const wide = sharp(pixels, { raw: { width: 8, height: 4, channels: 1 } });
    for (const kind of ['cat', 'dog']) mkdirSync(join(images, 'test', kind), { recursive: true });
    await wide.png().toFile(image);
    await wide.png().toFile(join(images, 'test', 'dog', '1.png'));
  });

  async function saveWith(resize: ResizeRule): Promise<void> {
    model.preprocessing = { height: 4, width: 4, channels: 1, mean: [0.5], std: [0.25], resize };
    await model.save(file);
  }

  test.each(['cover', 'contain', 'stretch'] as const)('by its rule: %s', async (resize) => {
    await saveWith(resize);
    const set = await folder({ dir: images, split: 'test', imageSize: 4, channels: 1, resize });
    const trainer = new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0 }) });
    const { loss } = await trainer.evaluate(set);
    const { lines } = await tenon('evaluate', '--model-file', file, ...from, '--json');
    expect(lines.at(-1)).toMatchObject({ event: 'done', loss });
  });

  test.each(['contain', 'stretch'] as const)('from training on: --resize %s', async (resize) => {
    const [out, data] = [join(dir, `run-${resize}`), join(dir, 'train-wide')];
    for (const split of ['train', 'test'])
      cpSync(join(images, 'test'), join(data, split), { recursive: true });
    const run = ['--data', data, '--out', out, '--model', 'mlp', '--epochs', 1, '--validation', 0];
    const size = ['--image-size', 4, '--resize', resize];
    expect((await tenon('train', '--dataset', 'folder', ...run, ...size, '--json')).code).toBe(0);
    const trained = await nn.load(join(out, 'model.safetensors'));
    expect(trained.preprocessing).toMatchObject({ height: 4, width: 4, resize });
    const pixels = new Uint8Array(48);
    await decode(readFileSync(image), image, { height: 4, width: 4, channels: 3, resize }, pixels);
    const expected = [...(await trained.predict(pixels))];
    const { lines } = await tenon('predict', '--model-file', join(out, 'model.safetensors'), image, '--json');
    expect(lines[0]).toMatchObject({ event: 'prediction', probability: Math.max(...expected) });
    expect((await tenon('train', '--resume', out, '--epochs', 2, '--resize', 'cover')).err).toContain(
      `started with ${resize}`,
    );
  });

  test('--resize is for folders', async () => {
    const { code, err } = await tenon('train', '--resize', 'cover');
    expect([code, err]).toEqual([2, expect.stringContaining('--resize belongs to --dataset folder')]);
  });

  test.each([
    ['evaluate', from],
    ['predict', [image]],
  ])('unless there is no such rule: then the file is wrong, says %s', async (command, args) => {
    await saveWith('stretch');
    writeFileSync(file, readFileSync(file).toString('latin1').replace('stretch', 'squeeze'), 'latin1');
    const { code, err } = await tenon(command, '--model-file', file, ...args);
    const problem = 'must be one of "cover", "contain", "stretch", got "squeeze"';
    expect([code, err]).toEqual([1, expect.stringContaining(problem)]);
  });
});
