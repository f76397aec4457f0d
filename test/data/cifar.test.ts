import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { cifar10 } from '../../lib/data';
import { readCifar10, readCifar100 } from '../../lib/data/cifar';
import { REAL_DATA, describeReal, failure, sample, useTempDir } from './helpers';

const temp = useTempDir();

/** A record whose pixel p is (p, p + 1, p + 2) mod 256. */
function record(...labels: number[]): Buffer {
  const planes = Buffer.alloc(3072);
  for (let i = 0; i < 3072; i++) planes[i] = (i % 1024) + Math.floor(i / 1024);
  return Buffer.concat([Buffer.from(labels), planes]);
}

async function writeBatches(dir = ''): Promise<void> {
  for (let i = 1; i <= 5; i++)
    await temp.file(`${dir}data_batch_${i}.bin`, Buffer.concat([record(i), record(9)]));
  await temp.file(`${dir}test_batch.bin`, record(3));
}

describe('CIFAR-10 binary', () => {
  test.each(['', 'cifar-10-batches-bin/'])(
    'reads the batches in order, interleaved, from "%s"',
    async (dir) => {
      await writeBatches(dir);
      const train = await readCifar10(temp.path(), 'train');
      expect(train).toMatchObject({ length: 10, height: 32, width: 32, channels: 3, eager: true });
      expect([...train.labels]).toEqual([1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
      const image = await sample(train, 7);
      expect([...image.subarray(0, 6)]).toEqual([0, 1, 2, 1, 2, 3]);
      expect([...image.subarray(3069)]).toEqual([255, 0, 1]);
      expect(train.classNames[0]).toBe('airplane');
      expect((await readCifar10(temp.path(), 'test')).labels).toEqual(Int32Array.of(3));
    },
  );

  test('takes class names from batches.meta.txt', async () => {
    await writeBatches();
    await temp.file('batches.meta.txt', 'a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n');
    expect((await readCifar10(temp.path(), 'test')).classNames).toEqual([...'abcdefghij']);
    await temp.file('batches.meta.txt', 'a\nb\n');
    expect((await failure(() => readCifar10(temp.path(), 'test'))).code).toBe('ERR_TENON_FORMAT');
  });

  test('bad input', async () => {
    await writeBatches();
    await temp.file('test_batch.bin', record(3).subarray(0, 3000));
    expect(await failure(() => readCifar10(temp.path(), 'test'))).toMatchObject({
      code: 'ERR_TENON_FORMAT',
      message: expect.stringContaining('3000 bytes'),
    });
    await temp.file('test_batch.bin', '');
    expect((await failure(() => readCifar10(temp.path(), 'test'))).code).toBe('ERR_TENON_FORMAT');
    await temp.file('data_batch_4.bin', Buffer.concat([record(1), record(10)]));
    expect(await failure(() => readCifar10(temp.path(), 'train'))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringMatching(/data_batch_4.bin: label 10 of record 1/),
    });
    expect((await failure(() => readCifar10(temp.path('none'), 'train'))).code).toBe('ERR_TENON_DATA');
  });

  test('a missing batch is named', async () => {
    await temp.file('data_batch_1.bin', record(1));
    expect(await failure(() => readCifar10(temp.path(), 'train'))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringContaining('data_batch_2.bin'),
    });
  });

  test('neither batches nor folders nor archives', async () => {
    await temp.file('notes.txt', 'x');
    expect(await failure(() => readCifar10(temp.path(), 'train'))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringContaining('notes.txt'),
    });
  });
});

describe('CIFAR-10 as images', () => {
  async function writeImages(split: string, classes: string): Promise<void> {
    const black = { r: 0, g: 0, b: 0 };
    const png = await sharp({ create: { width: 32, height: 32, channels: 3, background: black } })
      .png()
      .toBuffer();
    for (const name of classes) await temp.file(`${split}/${name}/1.png`, png);
  }

  test('the test split has the class map of the training split', async () => {
    await writeImages('train', 'abcdefghij');
    await writeImages('test', 'bcdefghijz');
    expect(await failure(() => cifar10({ dir: temp.path() }))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringContaining('"z" is not one of'),
    });
    await rename(temp.path('test/z'), temp.path('z'));
    const { train, test } = await cifar10({ dir: temp.path() });
    expect(test.classNames).toEqual(train.classNames);
    expect(test.labels).toEqual(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
  });
});

describe('CIFAR-100 binary', () => {
  test('reads fine and coarse labels', async () => {
    await temp.file('train.bin', Buffer.concat([record(19, 99), record(0, 7)]));
    const fine = await readCifar100(temp.path(), 'train');
    expect(fine.labels).toEqual(Int32Array.of(99, 7));
    expect(fine.classNames).toHaveLength(100);
    const coarse = await readCifar100(temp.path(), 'train', { labels: 'coarse' });
    expect(coarse.labels).toEqual(Int32Array.of(19, 0));
    expect([...(await sample(coarse, 1)).subarray(0, 3)]).toEqual([0, 1, 2]);
  });

  test('bad input', async () => {
    expect((await failure(() => readCifar100(temp.path(), 'train'))).code).toBe('ERR_TENON_DATA');
    await temp.file('train.bin', record(20, 1));
    expect((await failure(() => readCifar100(temp.path(), 'train', { labels: 'coarse' }))).code).toBe(
      'ERR_TENON_DATA',
    );
    expect(
      (await failure(() => readCifar100(temp.path(), 'train', { label: 'fine' } as object))).message,
    ).toMatch(/did you mean "labels"/);
  });
});

describeReal('cifar10', () => {
  test('the JPEG archives read as 10 classes of 1,000 test images', async () => {
    const source = await readCifar10(join(REAL_DATA, 'cifar10'), 'test');
    expect(source).toMatchObject({ length: 10_000, height: 32, width: 32, channels: 3, eager: false });
    expect(source.classNames).toEqual([
      'airplane',
      'automobile',
      'bird',
      'cat',
      'deer',
      'dog',
      'frog',
      'horse',
      'ship',
      'truck',
    ]);
    expect(source.labels.filter((label) => label === 3)).toHaveLength(1000);
    const first = await sample(source, 0);
    expect(new Set(first).size).toBeGreaterThan(10);
    expect(source.describe(0)).toMatch(/cifar10-test.tar.gz:test\/airplane\/0000.jpg$/);
  });
});
