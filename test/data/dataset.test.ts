import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import * as data from '../../lib/data';
import type { Dataset } from '../../lib/data';
import { compile } from '../../lib/compile/compile';
import { tensor } from '../../lib/tensor/tensor';
import { failure, useTempDir } from './helpers';

/** Inputs and targets of some samples, through a program. */
async function batchOf(
  set: Dataset,
  positions: number[],
  statistics: data.ChannelStatistics = set.unscaled(),
): Promise<[number[], number[]]> {
  const index = Int32Array.from(positions);
  await set.ensure(index);
  const run = compile((rows: ReturnType<typeof tensor>) => ({
    ...set.batch({ index: rows }, set.plainRecipe(statistics)),
  }));
  const { inputs, targets } = await run(tensor(set.rowsAt(index)));
  const numbers = [[...inputs.dataSync()], [...targets.dataSync()]] as [number[], number[]];
  run.dispose();
  return numbers;
}

function rgbSet(count: number): Promise<Dataset> {
  const images = Uint8Array.from({ length: count * 2 * 3 * 3 }, (_, i) => (i * 37) % 256);
  return data.fromArrays({
    images,
    labels: Uint8Array.from({ length: count }, (_, i) => i % 4),
    shape: [2, 3, 3],
  });
}

describe('Dataset of images', () => {
  test('gives logical N, C, H, W batches of what went in', async () => {
    const set = await rgbSet(5);
    expect({ length: set.length, shape: set.inputShape, names: set.classNames }).toEqual({
      length: 5,
      shape: [3, 2, 3],
      names: ['0', '1', '2', '3'],
    });
    const [inputs, targets] = await batchOf(set, [4, 1]);
    expect(targets).toEqual([0, 1]);
    const pixel = (sample: number, c: number, p: number): number =>
      Math.fround((((sample * 18 + p * 3 + c) * 37) % 256) / 255);
    expect(inputs[0]).toBeCloseTo(pixel(4, 0, 0), 6);
    expect(inputs[6 + 2]).toBeCloseTo(pixel(4, 1, 2), 6);
    expect(inputs[18 + 12 + 5]).toBeCloseTo(pixel(1, 2, 5), 6);
  });

  test('statistics are those of its own samples', async () => {
    const images = Uint8Array.from({ length: 4 * 2 }, (_, i) => [0, 255, 0, 255, 51, 51, 102, 102][i]!);
    const set = await data.fromArrays({ images, labels: [0, 0, 1, 1], shape: [1, 2, 1] });
    expect((await set.take(2).statistics())!.mean).toEqual([0.5]);
    expect((await set.take(2).statistics())!.std).toEqual([0.5]);
    const all = (await set.statistics())!;
    expect(all.mean[0]).toBeCloseTo((1 + 1 + 0.4 + 0.8) / 8, 12);
    const flat = await data.fromArrays({
      images: new Uint8Array(4).fill(9),
      labels: [0, 1],
      shape: [1, 2, 1],
    });
    expect((await flat.statistics())!.std).toEqual([1]);
  });

  test('split is random by its seed, without overlap; take is the front', async () => {
    const set = await rgbSet(50);
    const [a, b] = set.split([30, 15], { seed: 1 });
    const rows = (part: Dataset): number[] => [
      ...part.rowsAt(Int32Array.from({ length: part.length }, (_, i) => i)),
    ];
    expect(new Set([...rows(a), ...rows(b)]).size).toBe(45);
    expect(rows(set.split([30, 15], { seed: 1 })[0])).toEqual(rows(a));
    expect(rows(set.split([30, 15], { seed: 2 })[0])).not.toEqual(rows(a));
    expect(rows(set.take(3))).toEqual([0, 1, 2]);
    expect(a.labels).toEqual(Int32Array.from(rows(a), (row) => row % 4));
    expect((await failure(() => set.split([30, 30]))).message).toContain(
      '30 + 30 = 60 samples, but there are 50',
    );
    expect((await failure(() => set.split([0]))).code).toBe('ERR_TENON_OPTION');
    expect((await failure(() => set.take(0))).code).toBe('ERR_TENON_OPTION');
  });
});

describe('Dataset of an image folder', () => {
  const { file, path } = useTempDir();

  async function pngs(): Promise<string> {
    for (let i = 0; i < 12; i++) {
      const raw = { width: 2, height: 2, channels: 3 } as const;
      const png = await sharp(new Uint8Array(12).fill(10 * i), { raw })
        .png()
        .toBuffer();
      await file(`${i % 2 === 0 ? 'cat' : 'dog'}/${String(i).padStart(2, '0')}.png`, png);
    }
    return path();
  }

  test('decodes when asked, each image once, and keeps it', async () => {
    const set = await data.folder({ dir: await pngs() });
    expect(set.classNames).toEqual(['cat', 'dog']);
    const pending = set.ensure(Int32Array.of(0, 1, 11));
    expect(pending).toBeInstanceOf(Promise);
    await Promise.all([pending, set.ensure(Int32Array.of(1, 2))]);
    expect(set.ensure(Int32Array.of(0, 1, 2, 11))).toBeUndefined();
    const [inputs, targets] = await batchOf(set, [0, 1, 11]);
    expect(targets).toEqual([0, 0, 1]);
    expect(inputs[12]).toBeCloseTo(20 / 255, 6);
    expect(inputs[24]).toBeCloseTo(110 / 255, 6);
    expect((await set.statistics())!.mean[0]).toBeCloseTo(55 / 255, 9);
  });

  test('a corrupt image rejects by its name, and only where it is needed', async () => {
    const dir = await pngs();
    writeFileSync(join(dir, 'cat', '04.png'), 'no image');
    const set = await data.folder({ dir });
    await set.ensure(Int32Array.of(0, 1));
    const error = await failure(() => set.ensure(Int32Array.of(0, 2)));
    expect(error.code).toBe('ERR_TENON_FORMAT');
    expect(error.message).toContain('04.png');
  });
});

describe('Dataset of features', () => {
  test('rows of rank 3 are images that are floats already', async () => {
    const inputs = Float32Array.from({ length: 2 * 12 }, (_, i) => i / 8);
    const set = await data.fromFeatures({ inputs, shape: [2, 2, 3], targets: [1, 0] });
    expect(await batchOf(set, [1, 0])).toEqual([
      [...inputs.slice(12), ...inputs.slice(0, 12)],
      [0, 1],
    ]);
    expect(await set.statistics()).toBeUndefined();
  });

  test('targets of numbers', async () => {
    const targets = Float32Array.of(1.5, 2.5, 3.5, 4.5);
    const set = await data.fromFeatures({ inputs: [7, 8], shape: [1], targets, targetShape: [2] });
    expect(set.targetShape).toEqual([2]);
    expect(set.labelled).toBe(false);
    expect(await batchOf(set, [1])).toEqual([[8], [3.5, 4.5]]);
  });

  test('what does not fit is refused by name', async () => {
    const make = (options: object): Promise<{ code: unknown; message: string }> =>
      failure(() => data.fromFeatures({ inputs: [1, 2, 3, 4], shape: [2], targets: [0, 1], ...options }));
    expect((await make({ shape: [3] })).message).toContain(
      'inputs has 4 values, not a whole number of rows of 3',
    );
    expect((await make({ targets: [0] })).message).toBe('fromFeatures: 2 inputs but 1 targets');
    expect((await make({ targets: [0, -1] })).code).toBe('ERR_TENON_DATA');
    expect((await make({ inputs: [] })).message).toContain('inputs is empty');
    expect((await make({ inputs: 'abcd' })).code).toBe('ERR_TENON_DTYPE');
    expect((await make({ shape: [], targetShape: [0] })).code).toBe('ERR_TENON_OPTION');
    expect((await make({ rows: 3 })).code).toBe('ERR_TENON_OPTION');
    expect((await make({ targets: [0, 5], classNames: ['a', 'b'] })).code).toBe('ERR_TENON_DATA');
  });
});

describe('makers', () => {
  test('glyphs, and iterables read to their end', async () => {
    const { train, test } = await data.glyphs({ trainCount: 30, testCount: 20, seed: 5 });
    expect([train.length, test.length, ...train.inputShape]).toEqual([30, 20, 1, 28, 28]);
    const rows = (function* () {
      for (let i = 0; i < 3; i++) yield { image: new Uint8Array(4).fill(i), label: i };
    })();
    const set = await data.fromIterable(rows, { shape: [2, 2, 1] });
    expect(set.length).toBe(3);
    expect((await failure(() => data.mnist({} as never))).code).toBe('ERR_TENON_OPTION');
    expect((await failure(() => data.mnist({ dir: '/nowhere' }))).code).toBe('ERR_TENON_DATA');
  });

  test('options that are missing altogether', async () => {
    const none = undefined as never;
    const calls: [() => unknown, string][] = [
      [() => data.folder(none), 'folder: dir must be a non-empty string, got undefined'],
      [() => data.fromArrays(none), 'fromArrays: shape must be [height, width, channels], got undefined'],
      [() => data.fromIterable([], none), 'fromIterable: shape must be [height, width, channels], got undef'],
      [() => data.fromFeatures(none), 'fromFeatures: shape must be a shape such as [784], got undefined'],
    ];
    for (const [call, message] of calls) {
      const error = await failure(call);
      expect(error.code).toBe('ERR_TENON_OPTION');
      expect(error.message).toContain(message);
    }
  });
});
