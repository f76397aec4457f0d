/**
 * `tenon train --pretrained FILE --freeze PATTERNS`: weights of another run under the same or another head.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { publishedPreprocessing } from '../../lib/cli/pretrained';
import { decodeSafetensors, encodeSafetensors } from '../../lib/files/safetensors';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import { temporaryDirectory, tenon, type Result } from './support';

const dir = temporaryDirectory();
const images = join(dir, 'images');
const base = join(dir, 'base', 'model.safetensors');

/** 12 images of 8x8 pixels, light and dark ones. */
async function drawFolder(folder: string, channels: 1 | 3): Promise<void> {
  for (const [name, grey] of [
    ['dark', 40],
    ['light', 200],
  ] as const) {
    mkdirSync(join(folder, 'train', name), { recursive: true });
    for (let i = 0; i < 6; i++) {
      const bytes = Uint8Array.from({ length: 64 * channels }, (_, at) => grey + ((at * 7 + i * 13) % 40));
      const file = join(folder, 'train', name, `${i}.png`);
      await sharp(bytes, { raw: { width: 8, height: 8, channels } })
        .toColourspace(channels === 1 ? 'b-w' : 'srgb')
        .png()
        .toFile(file);
    }
  }
}

const common = ['--dataset', 'folder', '--data', images, '--augment', 'none', '--validation', 0, '--json'];

function train(out: string, ...args: (string | number)[]): Promise<Result> {
  const sizes = ['--model', 'cifar_resnet20', '--epochs', 1, '--batch-size', 6, '--warmup', 0];
  return tenon('train', ...common, ...sizes, '--out', join(dir, out), ...args);
}

function tensorsOf(file: string): Map<string, string> {
  const { tensors } = decodeSafetensors(file, readFileSync(file));
  return new Map([...tensors].map(([name, { bytes }]) => [name, Buffer.from(bytes).toString('base64')]));
}

/** Names of the tensors in which two model files differ. */
function changed(one: string, other: string): string[] {
  const [a, b] = [tensorsOf(one), tensorsOf(other)];
  expect([...a.keys()]).toEqual([...b.keys()]);
  return [...a.keys()].filter((name) => a.get(name) !== b.get(name));
}

beforeAll(async () => {
  await drawFolder(images, 1);
  expect((await train('base')).code).toBe(0);
});

test('frozen layers keep the weights of the file, the head of the same classes too', async () => {
  const run = await train('same', '--pretrained', base, '--freeze', 'conv1,bn1,layer*,linear.bias');
  expect(run).toMatchObject({ code: 0, err: '' });
  expect(run.lines[0]).toMatchObject({
    ...{ event: 'start', pretrained: base, freeze: ['conv1', 'bn1', 'layer*', 'linear.bias'] },
  });
  const recipe = JSON.parse(readFileSync(join(dir, 'same', 'run.json'), 'utf8')) as object;
  expect(recipe).toMatchObject({ pretrained: base, freeze: ['conv1', 'bn1', 'layer*', 'linear.bias'] });
  expect(changed(base, join(dir, 'same', 'model.safetensors'))).toEqual(['linear.weight']);
});

test('a resumed run goes on with what is frozen, without the file, and comes to the same bits', async () => {
  const file = join(dir, 'gone.safetensors');
  await (await nn.load(base)).save(file);
  const freeze = ['--pretrained', file, '--freeze', 'conv1,bn1,layer1'];
  const whole = ['--epochs', 2, '--schedule', 'constant', ...freeze];
  expect((await train('whole', ...whole)).code).toBe(0);
  expect((await train('parts', ...whole, '--epochs', 1)).code).toBe(0);
  await (await nn.load(base)).initialize({ seed: 5 }).save(file); // other weights, which nobody reads
  const resumed = await tenon('train', '--resume', join(dir, 'parts'), '--epochs', 2, '--json');
  expect(resumed).toMatchObject({ code: 0, err: '' });
  const [one, other] = ['whole', 'parts'].map((name) => join(dir, name, 'model.safetensors'));
  expect(changed(one!, other!)).toEqual([]);
  expect(changed(base, one!)).not.toContain('layer1.0.conv1.weight');
  expect(await tenon('train', '--resume', join(dir, 'parts'), '--freeze', 'conv1')).toMatchObject({
    code: 2,
    err: expect.stringContaining(
      '--freeze conv1: the run that is resumed was started with conv1,bn1,layer1',
    ) as string,
  });
});

test('a head of another width, or of other classes, gives way to a new one', async () => {
  const wide = join(dir, 'wide.safetensors');
  await models.cifarResnet20({ classes: 7, seed: 4 }).save(wide);
  const frozen = ['--freeze', 'conv1,bn1,layer*'];
  expect(await train('wide', '--pretrained', wide, ...frozen)).toMatchObject({ code: 0, err: '' });
  const trained = tensorsOf(join(dir, 'wide', 'model.safetensors'));
  const from = tensorsOf(wide);
  for (const [name, bytes] of from) expect(trained.get(name) === bytes).toBe(!name.startsWith('linear.'));

  const renamed = await nn.load(base);
  renamed.classNames = ['cats', 'dogs'];
  const file = join(dir, 'renamed.safetensors');
  await renamed.save(file);
  expect((await train('renamed', '--pretrained', file, ...frozen, '--lr', 1e-30)).code).toBe(0);
  expect((await train('scratch', '--lr', 1e-30)).code).toBe(0);
  const [after, scratch] = ['renamed', 'scratch'].map((run) =>
    tensorsOf(join(dir, run, 'model.safetensors')),
  );
  // Drawn from the seed, as if there were no file.
  expect(after!.get('linear.weight')).toBe(scratch!.get('linear.weight'));
  expect(after!.get('conv1.weight')).toBe(tensorsOf(base).get('conv1.weight'));
  const { classNames, preprocessing } = await nn.load(join(dir, 'renamed', 'model.safetensors'));
  expect(classNames).toEqual(['dark', 'light']);
  expect(preprocessing?.mean).toEqual(renamed.preprocessing?.mean);
});

test('what does not fit is listed, and nothing is started', async () => {
  const deeper = join(dir, 'deeper.safetensors');
  await models.cifarResnet32({ classes: 2, seed: 4 }).save(deeper);
  const attempt = async (...args: string[]) => {
    const { code, lines } = await train('refused', ...args);
    const message = lines.find(({ event }) => event === 'error')?.message;
    return { code, message };
  };
  const listed = `--pretrained ${deeper} does not fit --model cifar_resnet20: unexpected "layer1.3.conv1.weight", `;
  expect(await attempt('--pretrained', deeper)).toEqual({
    code: 1,
    message: expect.stringContaining(listed) as string,
  });
  expect(await attempt('--pretrained', join(dir, 'none'))).toMatchObject({ code: 1 });
  expect(await attempt('--freeze', 'layers1.*')).toEqual({
    code: 2,
    message: 'freeze: no parameter matches layers1.* (did you mean "layer1.*"?)',
  });
  expect(await attempt('--freeze', '*')).toEqual({ code: 2, message: '--freeze * leaves nothing to train' });
  expect(await attempt('--freeze', 'conv1,')).toMatchObject({ code: 2 });
});

test('--unfreeze-every begins with the head alone, and --layer-decay slows the layers below', async () => {
  const gradual = ['--pretrained', base, '--unfreeze-every', 1, '--schedule', 'constant'] as const;
  expect((await train('gradual', ...gradual)).code).toBe(0);
  expect(changed(base, join(dir, 'gradual', 'model.safetensors'))).toEqual(['linear.weight', 'linear.bias']);
  const resumed = await tenon('train', '--resume', join(dir, 'gradual'), '--epochs', 2, '--json');
  expect(resumed).toMatchObject({ code: 0, err: '' });
  const now = changed(base, join(dir, 'gradual', 'model.safetensors'));
  expect(new Set(now.map((name) => name.split('.').slice(0, -2).join('.')))).toEqual(
    new Set(['layer3.2', '']),
  );
  expect((await train('clash', ...gradual, '--freeze', 'conv1')).lines[0]).toMatchObject({
    code: 'ERR_TENON_USAGE',
    message: expect.stringContaining('--unfreeze-every trains all layers in the end') as string,
  });

  // So slow that nothing moves below the head, but the statistics.
  const slow = await train('slow', '--pretrained', base, '--layer-decay', 1e-12, '--weight-decay', 0);
  expect(slow).toMatchObject({ code: 0, err: '' });
  const moved = changed(base, join(dir, 'slow', 'model.safetensors'));
  expect(moved.filter((name) => !name.includes('running'))).toEqual(['linear.weight', 'linear.bias']);
  expect(moved).toContain('bn1.running_mean');
});

test('weights of another program for ImageNet are taken as normalized by its means', () => {
  expect(publishedPreprocessing('resnet18', [3, 64, 64])).toBe(models.imagenet);
  expect(publishedPreprocessing('mobilenet_v2', [3, 64, 64])).toBe(models.imagenet);
  expect(publishedPreprocessing('efficientnet_lite0', [3, 32, 32])).toBe(models.imagenetInception);
  expect(publishedPreprocessing('resnet18', [1, 64, 64])).toBeUndefined();
  expect(publishedPreprocessing('resnet20', [3, 32, 32])).toBeUndefined();
});

test("EfficientNet's weights are taken under the names of lukemelas' implementation", async () => {
  const published = join(dir, 'lite0.safetensors');
  const model = models.efficientnetLite0({ classes: 7, seed: 4 });
  await model.save(published);
  const { tensors } = decodeSafetensors(published, readFileSync(published));
  const theirs = ['_conv_stem.weight', '_blocks.0._depthwise_conv.weight', '_blocks.15._project_conv.weight'];
  const renamed = new Map([...tensors]);
  for (const name of [...theirs, '_fc.weight', '_fc.bias']) {
    const ours = models.efficientnetPytorchNames(name);
    renamed.set(name, renamed.get(ours)!);
    expect(renamed.delete(ours)).toBe(true);
  }
  writeFileSync(published, Buffer.concat(encodeSafetensors({ tensors: renamed, metadata: new Map() })));
  const colored = join(dir, 'colored');
  await drawFolder(colored, 3);
  const data = ['--dataset', 'folder', '--data', colored, '--image-size', 32, '--augment', 'none'] as const;
  const how = ['--epochs', 1, '--batch-size', 6, '--lr', 1e-30, '--warmup', 0, '--weight-decay', 0] as const;
  const out = join(dir, 'lite0');
  const begin = ['--model', 'efficientnet_lite0', '--pretrained', published, '--out', out] as const;
  const run = await tenon('train', ...data, ...how, ...begin, '--validation', 0, '--json');
  expect(run).toMatchObject({ code: 0, err: '' });
  const after = tensorsOf(join(out, 'model.safetensors'));
  for (const name of theirs.map(models.efficientnetPytorchNames))
    expect([name, after.get(name)]).toEqual([name, Buffer.from(tensors.get(name)!.bytes).toString('base64')]);
  const { preprocessing } = await nn.load(join(out, 'model.safetensors'));
  expect(preprocessing).toMatchObject({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
});
