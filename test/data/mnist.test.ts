import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encodeIdx } from '../../lib/data/idx';
import { readMnist } from '../../lib/data/mnist';
import { REAL_DATA, describeReal, failure, sample, useTempDir } from './helpers';

const temp = useTempDir();
const images = (count: number): Uint8Array =>
  encodeIdx({ dtype: 'u8', shape: [count, 2, 3], data: Uint8Array.from({ length: 6 * count }, (_, i) => i) });
const labels = (...values: number[]): Uint8Array =>
  encodeIdx({ dtype: 'u8', shape: [values.length], data: Uint8Array.from(values) });

test('reads a pair of files, gzipped or not, in order', async () => {
  await temp.file('train-images-idx3-ubyte', images(3));
  await temp.file('train-labels-idx1-ubyte.gz', gzipSync(labels(7, 0, 9)));
  const source = await readMnist(temp.path(), 'train');
  expect(source).toMatchObject({ length: 3, height: 2, width: 3, channels: 1, eager: true });
  expect(source.labels).toEqual(Int32Array.of(7, 0, 9));
  expect(source.classNames).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  expect(await sample(source, 1)).toEqual(Uint8Array.of(6, 7, 8, 9, 10, 11));
  expect((await failure(() => sample(source, 3))).code).toBe('ERR_TENON_DATA');
  expect((await failure(() => source.read(0, new Uint8Array(5)))).code).toBe('ERR_TENON_DATA');
});

describe('bad input', () => {
  const cases: [string, Record<string, Uint8Array>, string, RegExp][] = [
    ['no files', {}, 'ERR_TENON_DATA', /holds no images file/],
    ['no labels', { 'train-images-idx3-ubyte': images(1) }, 'ERR_TENON_DATA', /holds no labels file/],
    [
      'counts differ',
      { 'train-images-idx3-ubyte': images(2), 'train-labels-idx1-ubyte': labels(1) },
      'ERR_TENON_FORMAT',
      /1 labels, but .* has 2/,
    ],
    [
      'files swapped',
      { 'train-images-idx3-ubyte': labels(1), 'train-labels-idx1-ubyte': images(1) },
      'ERR_TENON_FORMAT',
      /rank 3, found u8 \[1\]/,
    ],
    [
      'label 10',
      { 'train-images-idx3-ubyte': images(2), 'train-labels-idx1-ubyte': labels(1, 10) },
      'ERR_TENON_DATA',
      /label 10 of sample 1/,
    ],
    [
      'no samples',
      { 'train-images-idx3-ubyte': images(0), 'train-labels-idx1-ubyte': labels() },
      'ERR_TENON_DATA',
      /no samples/,
    ],
  ];
  test.each(cases)('%s', async (_name, files, code, message) => {
    for (const [name, content] of Object.entries(files)) await temp.file(name, content);
    const error = await failure(() => readMnist(temp.path(), 'train'));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('a missing directory, a file instead of one, a bad split', async () => {
    expect(await failure(() => readMnist(temp.path('none'), 'train'))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringContaining('none'),
    });
    await temp.file('f', 'x');
    expect((await failure(() => readMnist(temp.path('f'), 'train'))).code).toBe('ERR_TENON_DATA');
    expect((await failure(() => readMnist(temp.path(), 'dev' as 'test'))).code).toBe('ERR_TENON_OPTION');
  });
});

describeReal('mnist', () => {
  test('has 60,000 and 10,000 samples of 28x28', async () => {
    const [train, held] = await Promise.all(
      (['train', 'test'] as const).map((split) => readMnist(join(REAL_DATA, 'mnist'), split)),
    );
    expect(train).toMatchObject({ length: 60_000, height: 28, width: 28 });
    expect(held).toMatchObject({ length: 10_000, height: 28, width: 28 });
    expect([...(train?.labels.subarray(0, 5) ?? [])]).toEqual([5, 0, 4, 1, 9]);
    expect([...(held?.labels.subarray(0, 5) ?? [])]).toEqual([7, 2, 1, 0, 4]);
    const sum = train?.bytes?.reduce((total, value) => total + value, 0) ?? 0;
    expect(sum / (60_000 * 784 * 255)).toBeCloseTo(0.1307, 4); // the well-known mean
  });
});
