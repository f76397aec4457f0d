/** `--data` without `--dataset`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { withDataset } from '../../lib/cli/recognize';
import { noise } from '../support/noise';
import { temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();

/** A directory that holds these empty files. */
function holding(name: string, ...files: string[]): string {
  const made = join(dir, name);
  mkdirSync(made, { recursive: true });
  for (const file of files) {
    mkdirSync(dirname(join(made, file)), { recursive: true });
    writeFileSync(join(made, file), '');
  }
  return made;
}

it.each([
  ['mnist', ['train-images-idx3-ubyte.gz']],
  ['mnist', ['t10k-images.idx3-ubyte']],
  ['cifar10', ['data_batch_1.bin', 'data_batch_2.bin']],
  ['cifar10', ['cifar-10-batches-bin/test_batch.bin']],
  ['cifar100', ['train.bin']],
  ['cifar100', ['cifar-100-binary/test.bin']],
  ['folder', ['cat/1.jpg', 'dog/1.jpg']],
  ['folder', ['train/cat/1.jpg']],
  ['folder', ['cifar10-train.tar.gz']],
  ['folder', ['validation/cat/1.jpg']],
])('%s is recognized by %j', async (dataset, files) => {
  const data = holding(files.join('+').replaceAll('/', '-'), ...files);
  expect(await withDataset({ data })).toEqual({ data, dataset });
  expect(await withDataset({ data, dataset: 'glyphs' })).toEqual({ data, dataset: 'glyphs' });
});

it('an archive is a folder; without --data nothing is looked for', async () => {
  const data = join(holding('archives', 'photographs.tgz'), 'photographs.tgz');
  expect(await withDataset({ data })).toEqual({ data, dataset: 'folder' });
  expect(await withDataset({})).toEqual({});
});

it.each(['train', 'inspect', 'evaluate'])('%s says what was looked for', async (command) => {
  const model = command === 'evaluate' ? ['--model-file', join(dir, 'none')] : [];
  const data = holding('unknown', 'notes.txt', '.hidden/file');
  const { code, err } = await tenon(command, ...model, '--data', data);
  expect(err).toMatch(
    /unknown holds no data set that tenon knows; looked for folders of classes, .*train-images-idx3-ubyte.*\(mnist\), data_batch_1\.bin .*\(cifar10\), train\.bin .*\(cifar100\)\. --dataset says/,
  );
  expect(code).toBe(1);
  const missing = await tenon(command, ...model, '--data', join(dir, 'missing'));
  expect(missing.err).toMatch(/missing does not exist/);
});

it('train, evaluate and inspect find a folder of classes, and run.json names it', async () => {
  const [data, out] = [join(dir, 'pets'), join(dir, 'run')];
  for (let i = 0; i < 8; i++) {
    const folder = join(data, i % 2 === 0 ? 'cat' : 'dog');
    mkdirSync(folder, { recursive: true });
    const image = sharp(noise(12, 12, 3, i + 1), { raw: { height: 12, width: 12, channels: 3 } });
    writeFileSync(join(folder, `${i}.png`), await image.png().toBuffer());
  }
  const options = ['--model', 'mlp', '--epochs', 1, '--out', out, '--json'];
  const trained = await tenon('train', '--data', data, ...options);
  expect(trained.lines[0]).toMatchObject({ event: 'start', dataset: 'folder' });
  expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))).toMatchObject({ dataset: 'folder', data });
  const file = join(out, 'model.safetensors');
  const split = ['--split', 'train', '--json'];
  const evaluated = await tenon('evaluate', '--model-file', file, '--data', data, ...split);
  expect(evaluated.lines[0]).toMatchObject({ event: 'start', dataset: 'folder', images: 8 });
  const inspected = await tenon('inspect', '--data', data, '--json');
  expect(inspected.lines.at(-1)).toMatchObject({ event: 'done', images: 8, broken: 0 });
});
