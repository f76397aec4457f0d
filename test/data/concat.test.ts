import { rm } from 'node:fs/promises';
import sharp from 'sharp';
import * as data from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { Trainer } from '../../lib/train';
import { weightsDigest } from '../train/helpers';
import { failure, useTempDir } from './helpers';

const temp = useTempDir();

/** Grey images of one pixel with these values. */
function pixels(values: number[], labels: number[], classNames: string[]): Promise<data.Dataset> {
  return data.fromArrays({ images: Uint8Array.from(values), labels, shape: [1, 1, 1], classNames });
}

async function folder(name: string, values: number[], kind: string): Promise<data.Dataset> {
  for (const value of values) {
    const png = sharp(Uint8Array.of(value), { raw: { width: 1, height: 1, channels: 1 } }).png();
    await temp.file(`${name}/${kind}/${value}.png`, await png.toBuffer());
  }
  return data.folder({ dir: temp.path(name), channels: 1, classNames: ['cat', 'dog'] });
}

async function contents(set: data.Dataset): Promise<[number[], number[]]> {
  const { inputs, targets } = await set.rows();
  return [[...inputs], [...targets]];
}

test('parts of one set stay parts of it', async () => {
  const set = await pixels([10, 20, 30, 40], [0, 1, 0, 1], ['a', 'b']);
  const all = await data.concat([set.subset([3]), set.take(2), set.subset([3])]);
  expect(await contents(all)).toEqual([
    [40, 10, 20, 40],
    [1, 0, 1, 1],
  ]);
  set.dispose();
  expect((await failure(() => all.rows())).code).toBe('ERR_TENON_DISPOSED'); // it is the same memory
});

test('arrays are copied, with exact statistics, and do not need what they came from', async () => {
  const [a, b] = [
    await pixels([0, 51], [0, 1], ['a', 'b']),
    await pixels([102, 255, 9], [1, 0, 0], ['a', 'b']),
  ];
  const all = await data.concat([a, b.subset([1, 0]).selectClasses(['a', 'b'])]);
  a.dispose();
  b.dispose();
  expect(await contents(all)).toEqual([
    [0, 51, 255, 102],
    [0, 1, 0, 1],
  ]);
  expect((await all.statistics())!.mean[0]).toBeCloseTo((0 + 0.2 + 1 + 0.4) / 4, 12);
  expect(all.file(0)).toBeUndefined();
});

test('folders are decoded when the new set asks for them, and name their files', async () => {
  const [cats, dogs] = [await folder('a', [10, 20], 'cat'), await folder('b', [30], 'dog')];
  await cats.ensure(Int32Array.of(0));
  await temp.file('a/cat/20.png', 'text');
  const all = await data.concat([cats, dogs, await pixels([40], [1], ['cat', 'dog'])]);
  expect([all.length, [...all.labels!], all.file(2)]).toEqual([4, [0, 0, 1, 1], undefined]);
  expect((await failure(() => all.rows())).message).toContain('20.png');
  expect(await contents(all.subset([2, 0, 3]))).toEqual([
    [30, 10, 40],
    [1, 0, 1],
  ]);
  const files = await data.concat([cats, dogs]);
  expect(files.file(2)).toBe(temp.path('b/dog/30.png'));
  expect(dogs.ensure(Int32Array.of(0))).toBeInstanceOf(Promise); // decoded into the new set only
  await rm(temp.path('b'), { recursive: true });
  expect((await all.image(2)).pixels[0]).toBe(30);
});

test('classes are merged by name where that is asked for', async () => {
  const [a, b] = [await pixels([1, 2], [0, 1], ['cat', 'dog']), await pixels([3, 4], [0, 1], ['dog', 'elk'])];
  expect(await failure(() => data.concat([a, b]))).toEqual({
    code: 'ERR_TENON_DATA',
    message:
      "concat: the sets differ in their classes: cat, dog and dog, elk; classes: 'merge' takes those of all",
  });
  const all = await data.concat([a, b], { classes: 'merge' });
  expect([all.classNames, await contents(all)]).toEqual([
    ['cat', 'dog', 'elk'],
    [
      [1, 2, 3, 4],
      [0, 1, 1, 2],
    ],
  ]);
});

test('features, with classes and with numbers', async () => {
  const make = (inputs: number[], rest: object): Promise<data.Dataset> =>
    data.fromFeatures({ inputs, shape: [2], targets: [0, 1], ...rest });
  const [a, b] = [await make([1, 2, 3, 4], {}), await make([5, 6, 7, 8], {})];
  expect(await contents(await data.concat([a, b.subset([1])]))).toEqual([
    [1, 2, 3, 4, 7, 8],
    [0, 1, 1],
  ]);
  const number = { targets: [0.5, 1.5, 2.5, 3.5], targetShape: [2] };
  const [c, d] = [await make([1, 2, 3, 4], number), await make([5, 6, 7, 8], number)];
  const all = await data.concat([c.subset([1]), d]);
  expect(await contents(all)).toEqual([
    [3, 4, 5, 6, 7, 8],
    [2.5, 3.5, 0.5, 1.5, 2.5, 3.5],
  ]);
  expect((await failure(() => data.concat([a, c]))).message).toContain('targets: classes and numbers [2]');
});

test('training on two halves is training on the whole, to the bit', async () => {
  const images = Uint8Array.from({ length: 20 * 4 }, (_, i) => (i * 37) % 256);
  const labels = Array.from({ length: 20 }, (_, i) => i % 2);
  const make = (from: number, to: number): Promise<data.Dataset> =>
    data.fromArrays({
      images: images.slice(4 * from, 4 * to),
      labels: labels.slice(from, to),
      shape: [2, 2, 1],
    });
  const digests: string[] = [];
  for (const set of [await make(0, 20), await data.concat([await make(0, 8), await make(8, 20)])]) {
    const model = nn.sequential(nn.flatten(), nn.linear(4, 2));
    const trainer = new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) });
    await trainer.fit(set, { epochs: 2, batchSize: 4 });
    digests.push(await weightsDigest(model));
  }
  expect(digests[0]).toBe(digests[1]);
});

test('what does not fit is refused', async () => {
  const a = await pixels([1], [0], ['a']);
  const wide = await data.fromArrays({
    images: new Uint8Array(2),
    labels: [0],
    shape: [1, 2, 1],
    classNames: ['a'],
  });
  const features = await data.fromFeatures({ inputs: [1], shape: [1], targets: [0], classNames: ['a'] });
  const of = async (...args: unknown[]): Promise<[unknown, string]> => {
    const { code, message } = await failure(() => data.concat(...(args as Parameters<typeof data.concat>)));
    return [code, message];
  };
  expect(await of([])).toEqual(['ERR_TENON_OPTION', 'concat: there are no sets']);
  expect(await of(a)).toEqual(['ERR_TENON_OPTION', expect.stringContaining('expected a list of Datasets')]);
  expect(await of([a, 5])).toEqual([
    'ERR_TENON_OPTION',
    expect.stringContaining('expected a list of Datasets'),
  ]);
  expect(await of([a, wide])).toEqual([
    'ERR_TENON_DATA',
    expect.stringContaining('inputs: [1, 1, 1] and [1, 1, 2]'),
  ]);
  expect(await of([a, features])).toEqual([
    'ERR_TENON_DATA',
    expect.stringContaining('kind: images and features'),
  ]);
  expect(await of([a], { classes: 'all' })).toEqual([
    'ERR_TENON_OPTION',
    expect.stringContaining('classes must be'),
  ]);
  await folder('x', [7], 'cat');
  const by = (resize: data.ResizeRule): Promise<data.Dataset> => data.folder({ dir: temp.path('x'), resize });
  expect(await of([await by('cover'), await by('contain')])).toEqual([
    'ERR_TENON_DATA',
    expect.stringContaining('resize rule: cover and contain'),
  ]);
});
