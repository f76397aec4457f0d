import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { openSplits } from '../../lib/cli/datasets';
import { tarOf } from '../data/helpers';
import { temporaryDirectory } from './support';

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
  const { train, test } = await openSplits({ dataset: 'folder', data, imageSize: null });
  expect(train.length).toBe(2);
  return test?.length;
}

test('the test split of a folder is test, or else val', async () => {
  expect(await testLength(await folders('both', 'train', 'val', 'test'))).toBe(2);
  expect(await testLength(await folders('val', 'train', 'val'))).toBe(2);
  expect(await testLength(await folders('none', 'train'))).toBeUndefined();
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
