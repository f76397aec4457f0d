import { runInNewContext } from 'node:vm';
import { type FromArraysOptions, fromArrays, fromIterable } from '../../lib/data/memory';
import type * as memoryModule from '../../lib/data/memory';
import { failure, sample } from './helpers';

const six = Uint8Array.of(1, 2, 3, 4, 5, 6);
const shape = [1, 1, 3] as const;

describe('fromArrays', () => {
  test('keeps interleaved samples, copied', async () => {
    const images = Uint8Array.from(six);
    const labels = [1, 0];
    const source = fromArrays({ images, labels, shape });
    images.fill(0);
    labels[0] = 9;
    expect(source).toMatchObject({ length: 2, height: 1, width: 1, channels: 3, eager: true });
    expect(source.classNames).toEqual(['0', '1']);
    expect(source.labels).toEqual(Int32Array.of(1, 0));
    expect(await sample(source, 1)).toEqual(Uint8Array.of(4, 5, 6));
  });

  test('interleaves planes', async () => {
    const images = Uint8Array.of(1, 2, 10, 20, 100, 200);
    const source = fromArrays({ images, labels: [0], shape: [1, 2, 3], layout: 'NCHW' });
    expect([...(await sample(source, 0))]).toEqual([1, 10, 100, 2, 20, 200]);
  });

  test('takes arrays of any realm, part of a buffer, and every kind of label', () => {
    const foreign = runInNewContext('new Uint8ClampedArray([1,2,3,4,5,6])') as Uint8ClampedArray;
    expect(foreign instanceof Uint8ClampedArray).toBe(false);
    const part = Buffer.from([0, 0, 1, 2, 3, 4, 5, 6, 0]).subarray(2, 8);
    for (const images of [foreign, part]) {
      for (const labels of [BigInt64Array.of(2n, 0n), Float64Array.of(2, 0), Uint8Array.of(2, 0)]) {
        const source = fromArrays({ images, labels, shape, classNames: ['a', 'b', 'c'] });
        expect(source.bytes).toEqual(six);
        expect(source.labels).toEqual(Int32Array.of(2, 0));
      }
    }
  });

  const bad: [string, object, string, RegExp][] = [
    ['floats', { images: Float32Array.from(six) }, 'ERR_TENON_DTYPE', /Float32Array: scale/],
    ['a plain array of pixels', { images: [...six] }, 'ERR_TENON_DTYPE', /Uint8Array/],
    [
      'a false tag',
      { images: { length: 6, [Symbol.toStringTag]: 'Uint8Array' } },
      'ERR_TENON_DTYPE',
      /Uint8Array/,
    ],
    ['a byte too few', { images: six.subarray(1) }, 'ERR_TENON_DATA', /take 6 bytes, images has 5/],
    ['a label too few', { labels: [0] }, 'ERR_TENON_DATA', /1 samples/],
    ['no labels', { labels: [] }, 'ERR_TENON_DATA', /labels is empty/],
    ['labels that are not an array', { labels: 'ab' }, 'ERR_TENON_DTYPE', /labels/],
    ['a fraction as a label', { labels: [0, 0.5] }, 'ERR_TENON_DATA', /sample 1: label 0.5/],
    ['NaN as a label', { labels: [NaN, 0] }, 'ERR_TENON_DATA', /sample 0: label NaN/],
    ['a negative label', { labels: [0, -1] }, 'ERR_TENON_DATA', /label -1/],
    ['a huge label', { labels: BigInt64Array.of(0n, 2n ** 40n) }, 'ERR_TENON_DATA', /label 1099511627776/],
    [
      'a label without a class',
      { labels: [0, 2], classNames: ['a', 'b'] },
      'ERR_TENON_DATA',
      /label 2 of sample 1 .* 2 classes/,
    ],
    ['a shape of two', { shape: [2, 3] }, 'ERR_TENON_OPTION', /shape/],
    ['a shape of zero', { shape: [0, 1, 3] }, 'ERR_TENON_OPTION', /height/],
    ['an unknown layout', { layout: 'HWCN' }, 'ERR_TENON_OPTION', /layout/],
    ['an unknown key', { label: [] }, 'ERR_TENON_OPTION', /did you mean "labels"/],
  ];
  test.each(bad)('%s', async (_name, change, code, message) => {
    const options = { images: six, labels: [0, 1], shape, ...change } as FromArraysOptions;
    const error = await failure(() => fromArrays(options));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('detached arrays', async () => {
    const images = Uint8Array.from(six);
    structuredClone(images.buffer, { transfer: [images.buffer] });
    expect(await failure(() => fromArrays({ images, labels: [0, 1], shape }))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringContaining('detached'),
    });
    expect(await failure(() => fromArrays({ images: six, labels: images, shape }))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringContaining('detached'),
    });
  });
});

describe('fromIterable', () => {
  async function* rows(count: number): AsyncGenerator<{ image: Uint8Array; label: number }> {
    for (let i = 0; i < count; i++) {
      await Promise.resolve();
      yield { image: Uint8Array.of(i, i + 1, i + 2), label: i % 3 };
    }
  }

  test('packs what an async iterable gives, beyond its first room', async () => {
    const source = await fromIterable(rows(200), { shape });
    expect(source).toMatchObject({ length: 200, channels: 3, eager: true });
    expect(source.bytes).toHaveLength(600);
    expect([...(await sample(source, 150))]).toEqual([150, 151, 152]);
    expect([...source.labels.subarray(0, 4)]).toEqual([0, 1, 2, 0]);
  });

  test('packs a sync iterable of planes', async () => {
    const source = await fromIterable([{ image: six, label: 0 }], {
      shape: [1, 2, 3],
      layout: 'NCHW',
      classNames: ['only'],
    });
    expect([...(await sample(source, 0))]).toEqual([1, 3, 5, 2, 4, 6]);
  });

  test('bad input names the sample', async () => {
    const cases: [unknown, string, RegExp][] = [
      [[], 'ERR_TENON_DATA', /no samples/],
      [42, 'ERR_TENON_OPTION', /iterable/],
      [[{ image: six, label: 0 }], 'ERR_TENON_DATA', /sample 0: image has 6 bytes, expected 3/],
      [
        [
          { image: six.subarray(3), label: 0 },
          { image: six.subarray(3), label: 1.5 },
        ],
        'ERR_TENON_DATA',
        /sample 1: label 1.5/,
      ],
      [[{ image: [1, 2, 3], label: 0 }], 'ERR_TENON_DTYPE', /sample 0/],
      [[null], 'ERR_TENON_DATA', /sample 0/],
    ];
    for (const [iterable, code, message] of cases) {
      const error = await failure(() => fromIterable(iterable as [], { shape }));
      expect(error.code).toBe(code);
      expect(error.message).toMatch(message);
    }
  });

  test('samples so large that 64 of them fill no array', async () => {
    const length = 2 ** 26 + 1;
    const image = new Uint8Array(length).fill(7, -1);
    const source = await fromIterable([{ image, label: 0 }], { shape: [length, 1, 1] });
    expect(source.bytes).toHaveLength(length);
    expect(source.bytes!.at(-1)).toBe(7);
  });

  test('more than one array can hold is a DataError', async () => {
    jest.resetModules();
    jest.doMock('node:buffer', () => ({ constants: { MAX_LENGTH: 1000 } }));
    const fresh = jest.requireActual<typeof memoryModule>('../../lib/data/memory');
    const read = (count: number): unknown => fresh.fromIterable(rows(count), { shape, maxBytes: 2000 });
    expect(await read(333)).toMatchObject({ length: 333 });
    expect(await failure(() => read(334))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringMatching(/one array of Node.js .* can hold, 1000/),
    });
    jest.dontMock('node:buffer');
  });

  test('is bounded, and passes on what the iterable throws', async () => {
    expect((await failure(() => fromIterable(rows(1e9), { shape, maxBytes: 100 }))).code).toBe(
      'ERR_TENON_DATA',
    );
    const broken = {
      [Symbol.iterator]: () => ({
        next: (): never => {
          throw new Error('database gone');
        },
      }),
    };
    expect((await failure(() => fromIterable(broken, { shape }))).message).toBe('database gone');
  });
});
