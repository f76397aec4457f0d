import { mkdir } from 'node:fs/promises';
import sharp from 'sharp';
import { type ReadFolderOptions, readFolder } from '../../lib/data/folder';
import { failure, sample, tarGzOf, tarOf, useTempDir } from './helpers';

const temp = useTempDir();

/** A PNG of one colour. */
function png(value: number, width = 3, height = 2): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: { r: value, g: 0, b: value } } })
    .png()
    .toBuffer();
}

async function files(prefix: string): Promise<Record<string, Uint8Array | string>> {
  return {
    [`${prefix}dog/b.PNG`]: await png(40),
    [`${prefix}dog/a.png`]: await png(30),
    [`${prefix}cat/z.png`]: await png(20),
    [`${prefix}Ape/x.webp`]: await sharp(await png(10))
      .webp({ lossless: true })
      .toBuffer(),
    [`${prefix}dog/notes.txt`]: 'x',
    [`${prefix}dog/._a.png`]: 'resource fork',
    [`${prefix}readme.png`]: 'not in a class folder',
  };
}

async function write(all: Record<string, Uint8Array | string>): Promise<void> {
  for (const [name, content] of Object.entries(all)) await temp.file(name, content);
}

async function expectTheFour(options: ReadFolderOptions): Promise<void> {
  const source = await readFolder(options);
  expect(source).toMatchObject({ length: 4, height: 2, width: 3, channels: 3, eager: false });
  expect(source.classNames).toEqual(['Ape', 'cat', 'dog']);
  expect([...source.labels]).toEqual([0, 1, 2, 2]);
  const values = [];
  for (let i = 0; i < 4; i++) values.push([...(await sample(source, i)).subarray(0, 3)]);
  expect(values).toEqual([10, 20, 30, 40].map((value) => [value, 0, value]));
  expect(source.describe(2)).toMatch(/dog\/a.png$/);
}

describe('where a split may be', () => {
  test('a folder of the directory', async () => {
    await write(await files('train/'));
    await mkdir(temp.path('train/.hidden'));
    await expectTheFour({ dir: temp.path(), split: 'train' });
    await expectTheFour({ dir: temp.path('train') });
  });

  test('SPLIT.tar.gz, with or without a folder of that name in it', async () => {
    await temp.file('test.tar.gz', await tarGzOf(await files('test/')));
    await temp.file('train.tgz', await tarGzOf(await files('')));
    await expectTheFour({ dir: temp.path(), split: 'test' });
    await expectTheFour({ dir: temp.path(), split: 'train' });
  });

  test('NAME-SPLIT.tar, beside that of another split', async () => {
    await temp.file('pets-train.tar', await tarOf(await files('./pets/train/')));
    await temp.file('pets-test.tar', await tarOf({}));
    await expectTheFour({ dir: temp.path(), split: 'train' });
    await expectTheFour({ dir: temp.path('pets-train.tar'), split: 'train' });
  });

  test('one archive with several splits', async () => {
    const other = { 'test/cat/q.png': await png(99) };
    await temp.file('all.tar', await tarOf({ ...(await files('train/')), ...other }));
    await expectTheFour({ dir: temp.path('all.tar'), split: 'train' });
    const error = await failure(() => readFolder({ dir: temp.path('all.tar') }));
    expect(error).toMatchObject({ code: 'ERR_TENON_DATA', message: expect.stringContaining('test, train') });
    expect((await failure(() => readFolder({ dir: temp.path('all.tar'), split: 'dev' }))).code).toBe(
      'ERR_TENON_DATA',
    );
  });
});

describe('options', () => {
  test('imageSize resizes images of differing sizes', async () => {
    await write({ 'a/1.png': await png(7, 8, 4), 'a/2.png': await png(9, 5, 5) });
    const source = await readFolder({ dir: temp.path(), imageSize: [2, 4], channels: 1, resize: 'stretch' });
    expect(source).toMatchObject({ height: 2, width: 4, channels: 1 });
    expect([...(await sample(source, 1))]).toEqual(new Array(8).fill(4)); // (19595 + 7471) * 9 / 65536 = 3.7
    expect(await readFolder({ dir: temp.path(), imageSize: 6 })).toMatchObject({ height: 6, width: 6 });
  });

  test('without imageSize an image of another size is named when it is read', async () => {
    await write({ 'a/1.png': await png(7, 8, 4), 'a/2.png': await png(9, 5, 5) });
    const source = await readFolder({ dir: temp.path() });
    expect(source).toMatchObject({ height: 4, width: 8 });
    const error = await failure(() => sample(source, 1));
    expect(error).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringMatching(/2.png is 5x5.*4x8.*imageSize/),
    });
  });

  test('a resize rule alone brings all images to the size of the first', async () => {
    await write({ 'a/1.png': await png(7, 8, 4), 'a/2.png': await png(9, 5, 5) });
    const source = await readFolder({ dir: temp.path(), channels: 1, resize: 'contain' });
    expect(source).toMatchObject({ height: 4, width: 8, resize: 'contain' });
    expect([...(await sample(source, 1))].filter((value) => value === 0)).toHaveLength(16); // 4x4 of 4x8
    expect((await readFolder({ dir: temp.path() })).resize).toBeUndefined();
    expect((await readFolder({ dir: temp.path(), imageSize: 2 })).resize).toBe('cover');
  });

  test('classNames fixes the class map; an unknown class is an error', async () => {
    await write({ 'b/1.png': await png(7) });
    const source = await readFolder({ dir: temp.path(), classNames: ['a', 'b'] });
    expect(source.labels).toEqual(Int32Array.of(1));
    const error = await failure(() => readFolder({ dir: temp.path(), classNames: ['a'] }));
    expect(error).toMatchObject({ code: 'ERR_TENON_DATA', message: expect.stringContaining('"b"') });
  });

  test('bad options', async () => {
    const bad: object[] = [
      { imageSize: 0 },
      { imageSize: NaN },
      { imageSize: [1, 2, 3] },
      { imageSize: [4] },
      { channels: 2 },
      { resize: 'crop' },
      { split: '' },
      { size: 3 },
    ];
    for (const options of bad) {
      expect((await failure(() => readFolder({ dir: temp.path(), ...options }))).code).toBe(
        'ERR_TENON_OPTION',
      );
    }
    expect((await failure(() => readFolder({} as ReadFolderOptions))).code).toBe('ERR_TENON_OPTION');
  });
});

describe('bad input', () => {
  test('missing, empty, without classes, without images', async () => {
    const code = 'ERR_TENON_DATA';
    const none = temp.path('none');
    expect(await failure(() => readFolder({ dir: none }))).toMatchObject({
      code,
      message: expect.stringContaining(none),
    });
    expect(await failure(() => readFolder({ dir: temp.path(), split: 'train' }))).toMatchObject({
      code,
      message: expect.stringContaining('no split train'),
    });
    expect(await failure(() => readFolder({ dir: temp.path() }))).toMatchObject({
      code,
      message: expect.stringContaining('no class folders'),
    });
    await mkdir(temp.path('cat'));
    expect(await failure(() => readFolder({ dir: temp.path() }))).toMatchObject({
      code,
      message: expect.stringContaining('no images'),
    });
    await temp.file('train.tar', await tarOf({ 'a.txt': 'x' }));
    expect(await failure(() => readFolder({ dir: temp.path(), split: 'train' }))).toMatchObject({
      code,
      message: expect.stringContaining('no images'),
    });
    await temp.file('x-train.tar', await tarOf({ 'a.txt': 'x' }));
    expect(await failure(() => readFolder({ dir: temp.path(), split: 'train' }))).toMatchObject({
      code,
      message: expect.stringContaining('several archives'),
    });
  });

  test('a corrupt image is named: the first at once, others when they are read', async () => {
    await write({ 'a/1.png': await png(7), 'a/2.png': (await png(8)).subarray(0, 60) });
    const source = await readFolder({ dir: temp.path() });
    expect(await failure(() => sample(source, 1))).toMatchObject({
      code: 'ERR_TENON_FORMAT',
      message: expect.stringContaining('a/2.png'),
    });
    await temp.file('a/0.png', 'text');
    expect(await failure(() => readFolder({ dir: temp.path() }))).toMatchObject({
      code: 'ERR_TENON_FORMAT',
      message: expect.stringContaining('a/0.png'),
    });
  });

  test('a corrupt archive', async () => {
    await temp.file('train.tar.gz', (await tarGzOf(await files(''))).subarray(0, 300));
    expect((await failure(() => readFolder({ dir: temp.path(), split: 'train' }))).code).toBe(
      'ERR_TENON_FORMAT',
    );
  });
});
