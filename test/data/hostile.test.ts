/**
 * Files made to do harm, a row each: how it is made, which reader takes it, and how that must end. The second
 * table measures what the worst of them cost, in a process of its own: each row says what it took before
 * readers had limits. Bounds are generous, for machines that are busy, and far below that.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { symlinkSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { readCifar10 } from '../../lib/data/cifar';
import { decodeImage } from '../../lib/data/decode-image';
import { readFolder } from '../../lib/data/folder';
import { readIdx } from '../../lib/data/idx';
import type { ImageLimits } from '../../lib/files/limits';
import { readMnist } from '../../lib/data/mnist';
import { readTar } from '../../lib/files/tar';
import { costOf, type Json } from '../support/cost';
import { failure, useTempDir } from './helpers';
import { pngHead, pngOfZeros } from './png-bytes';
import { paxRecords, tarArchive, tarHeader, tarPart, withChecksum } from './tar-bytes';

const temp = useTempDir();
const MIB = 2 ** 20;

/** The size field in GNU's binary form. */
const binary = (first: number, rest = 0): Buffer =>
  Buffer.concat([Buffer.from([first]), Buffer.alloc(11, rest)]);
const file = tarPart({}, 'x');
const pax = (records: Readonly<Record<string, string>> | string, type = 'x'): Buffer =>
  tarPart({ type, name: 'pax' }, typeof records === 'string' ? records : paxRecords(records));
const idxHeader = (...sizes: number[]): Buffer => {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.set([0, 0, 8, sizes.length]);
  sizes.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return header;
};
/** Gzip of `head` and then `count` zeros. */
const gzipOfZeros = (head: Uint8Array, count: number): Buffer =>
  gzipSync(Buffer.concat([head, Buffer.alloc(count)]), { level: 1 });

async function readAll(path: string, options?: Parameters<typeof readTar>[1]): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of readTar(path, options)) paths.push(entry.path);
  return paths;
}

interface Row {
  readonly name: string;
  readonly make: () => Uint8Array;
  readonly read: (path: string) => Promise<unknown>;
  readonly code?: string;
  readonly message: RegExp;
}

const tarRows: readonly Omit<Row, 'read'>[] = [
  {
    name: 'a size of 0xC0',
    make: () => tarArchive(tarHeader({ size: binary(0xc0) })),
    message: /size is negative/,
  },
  {
    name: 'a size of -1',
    make: () => tarArchive(tarHeader({ size: binary(0xff, 0xff) })),
    message: /size is negative/,
  },
  {
    name: 'a size of 2^95',
    make: () => tarArchive(tarHeader({ size: binary(0x80, 0xff) })),
    message: /more than 2\^53/,
  },
  {
    name: 'the largest size that is positive',
    make: () => tarArchive(tarHeader({ size: binary(0xbf) })),
    message: /more than 2\^53/,
  },
  {
    name: 'a size that is text',
    make: () => tarArchive(tarHeader({ size: '12x4' })),
    message: /size is not a number/,
  },
  {
    name: 'a size of NaN',
    make: () => tarArchive(tarHeader({ size: 'NaN' })),
    message: /size is not a number/,
  },
  {
    name: 'a size of -17',
    make: () => tarArchive(tarHeader({ size: '-17' })),
    message: /size is not a number/,
  },
  {
    name: 'a size past the end',
    make: () => tarArchive(tarHeader({ size: 8 ** 11 - 1 })),
    message: /truncated/,
  },
  {
    name: 'a size that so few gzipped bytes cannot hold',
    make: () => gzipSync(tarArchive(tarHeader({ size: 8 ** 11 - 1 }))),
    message: /truncated/,
  },
  {
    name: 'a size past the limits',
    make: () =>
      gzipSync(tarArchive(tarPart({ name: 'random' }, randomBytes(MIB)), tarHeader({ size: 500 * MIB }))),
    code: 'ERR_TENON_DATA',
    message: /more than \d+ bytes, the most that \d+ may become \(option maxExpansion\)/,
  },
  {
    name: 'a PAX size of -1',
    make: () => tarArchive(pax({ size: '-1' }), file),
    message: /PAX record's size is not a number/,
  },
  {
    name: 'a PAX size of 2^53 + 1',
    make: () => tarArchive(pax({ size: '9007199254740993' }), file),
    message: /size is more than 2\^53/,
  },
  {
    name: 'a PAX size of 1e3',
    make: () => tarArchive(pax({ size: '1e3' }), file),
    message: /PAX record's size is not a number/,
  },
  {
    name: 'a PAX size past the end',
    make: () => tarArchive(pax({ size: '99999' }), file),
    message: /truncated/,
  },
  {
    name: 'a PAX record of length 0',
    make: () => tarArchive(pax('0 path=a\n'), file),
    message: /damaged PAX record/,
  },
  {
    name: 'a PAX record past its header',
    make: () => tarArchive(pax('99 path=a\n'), file),
    message: /damaged PAX record/,
  },
  {
    name: 'a PAX record without an end',
    make: () => tarArchive(pax('9 path=ab'), file),
    message: /damaged PAX record/,
  },
  {
    name: 'a PAX record with a length of 9 digits',
    make: () => tarArchive(pax('000000010 a=b\n'), file),
    message: /damaged PAX record/,
  },
  {
    name: 'a PAX header above 1 MiB',
    make: () => tarArchive(pax({ comment: 'x'.repeat(MIB) }), file),
    message: /a header of \d+ bytes, expected at most 1048576/,
  },
  {
    name: 'a global PAX header of 4 MB',
    make: () => tarArchive(pax({ comment: 'x'.repeat(4 * MIB) }, 'g'), file),
    message: /a header of \d+ bytes/,
  },
  {
    name: 'a path for all files',
    make: () => tarArchive(pax({ path: 'a' }, 'g'), file),
    message: /global PAX header/,
  },
  {
    name: 'a PAX path above 64 KiB',
    make: () => tarArchive(pax({ path: 'a/'.repeat(40_000) }), file),
    message: /path of more than 65536 bytes/,
  },
  {
    name: 'a GNU name above 64 KiB',
    make: () => tarArchive(tarPart({ type: 'L' }, 'a'.repeat(65_537)), file),
    message: /a header of 65537 bytes/,
  },
  {
    name: 'a GNU name cut off',
    make: () => tarPart({ type: 'L' }, 'a'.repeat(600)).subarray(0, 1000),
    message: /truncated/,
  },
  { name: 'an old GNU sparse file', make: () => tarArchive(tarPart({ type: 'S' }, 'x')), message: /sparse/ },
  { name: 'no end', make: () => file, message: /truncated/ },
  {
    name: 'an end that is cut off',
    make: () => Buffer.concat([file, Buffer.alloc(100)]),
    message: /truncated/,
  },
];

const idxRows: readonly Omit<Row, 'read'>[] = [
  {
    name: 'images past the limits',
    make: () => gzipOfZeros(idxHeader(100, 1000, 1000), 100 * MIB),
    code: 'ERR_TENON_DATA',
    message: /more than 67108864 bytes, the most that \d+ may become \(option maxExpansion\)/,
  },
  { name: 'a claim of 2^64 bytes', make: () => idxHeader(0xffffffff, 0xffffffff), message: /truncated/ },
];

const imageRows: readonly Omit<Row, 'read'>[] = [
  {
    name: 'a PNG of 16-bit samples, 288 MB in 1 MB',
    make: () => pngOfZeros(6000, 6000, true),
    message: /more than \d+ bytes, the most that \d+ may become \(option maxExpansion\)/,
  },
  {
    name: 'a PNG of more pixels than one may have',
    make: () => pngHead(20_000, 20_000, false),
    message: /20000x20000 pixels, more than 268435456 \(option maxPixels\)/,
  },
  { name: 'a PNG without pixels', make: () => pngHead(2000, 2000, true), message: /not a readable image/ },
];

async function decodeFile(path: string, limits?: ImageLimits): Promise<number[]> {
  const preprocessing = { height: 8, width: 8, channels: 1, mean: [0], std: [1] } as const;
  return [...(await decodeImage(path, preprocessing, limits))];
}

const rows: readonly Row[] = [
  ...tarRows.map((row) => ({ ...row, name: `tar: ${row.name}`, read: (path: string) => readAll(path) })),
  ...idxRows.map((row) => ({ ...row, name: `idx: ${row.name}`, read: (path: string) => readIdx(path) })),
  ...imageRows.map((row) => ({
    ...row,
    name: `image: ${row.name}`,
    read: (path: string) => decodeFile(path),
  })),
];

test.each(rows)('$name', async ({ make, read, code = 'ERR_TENON_FORMAT', message }) => {
  const path = await temp.file('hostile', make());
  const error = await failure(() => read(path));
  expect(error).toEqual({ code, message: expect.stringMatching(message) });
  expect(error.message).toContain(path);
});

describe('limits', () => {
  test('have options', async () => {
    const archive = await temp.file('a.tgz', gzipOfZeros(tarHeader({ size: 100 * MIB }), 100 * MIB + 1024));
    expect(await readAll(archive, { maxExpansion: 2000 })).toEqual(['train/a/1.png']);
    expect(await failure(() => readAll(archive, { maxExpansion: 2000, maxBytes: MIB }))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringContaining('more than 1048576 bytes (option maxBytes)'),
    });
    expect((await failure(() => readAll(archive, { maxExpansion: 0 }))).code).toBe('ERR_TENON_OPTION');
    const images = await temp.file('images', gzipOfZeros(idxHeader(70, 1000, 1000), 70_000_000));
    expect((await readIdx(images, { maxExpansion: 2000 })).data).toHaveLength(70_000_000);
  });

  test('of images have options', async () => {
    const image = await temp.file('zeros.png', pngOfZeros(6000, 3000, true));
    expect((await failure(() => decodeFile(image))).message).toContain('maxExpansion');
    expect(await decodeFile(image, { maxExpansion: 2000 })).toEqual(new Array(64).fill(0));
    const failed = await failure(() => decodeFile(image, { maxPixels: 17_999_999 }));
    expect(failed.message).toContain('3000x6000 pixels, more than 17999999 (option maxPixels)');
    await temp.file('train/a/1.png', pngOfZeros(6000, 3000, true));
    const folder = { dir: temp.path('train'), imageSize: 8 };
    const one = new Uint8Array(192);
    const refusing = await readFolder(folder);
    expect((await failure(() => refusing.read(0, one))).message).toContain('maxExpansion');
    await (await readFolder({ ...folder, maxExpansion: 2000 })).read(0, one);
    expect((await failure(() => readFolder({ dir: temp.path('train') }))).message).toContain('maxExpansion');
  });

  test('reach the readers of data sets', async () => {
    await temp.file('train-images-idx3-ubyte', gzipOfZeros(idxHeader(70, 1000, 1000), 70_000_000));
    await temp.file('train-labels-idx1-ubyte', Buffer.concat([idxHeader(70), Buffer.alloc(70)]));
    expect((await failure(() => readMnist(temp.path(), 'train'))).message).toContain('maxExpansion');
    expect((await readMnist(temp.path(), 'train', { maxExpansion: 2000 })).length).toBe(70);
    await temp.file('train.tgz', gzipOfZeros(tarHeader({ size: 100 * MIB }), 100 * MIB + 1024));
    const folder = { dir: temp.path(), split: 'train', imageSize: 8 };
    expect((await failure(() => readFolder(folder))).message).toContain('maxExpansion');
    expect((await readFolder({ ...folder, maxExpansion: 2000 })).length).toBe(1);
    expect((await failure(() => readFolder({ ...folder, maxBytes: 1024 }))).message).toContain('maxBytes');
  });
});

test('what has no end is not read', async () => {
  for (const name of ['train.tar', 'train-images-idx3-ubyte', 'data_batch_1.bin'])
    symlinkSync('/dev/zero', temp.path(name));
  await temp.file('train-labels-idx1-ubyte', idxHeader(0));
  const message = expect.stringContaining('not a regular file');
  const refusal = { code: 'ERR_TENON_IO', message };
  expect(await failure(() => readFolder({ dir: temp.path(), split: 'train' }))).toEqual(refusal);
  expect(await failure(() => readMnist(temp.path(), 'train'))).toEqual(refusal);
  expect(await failure(() => readCifar10(temp.path(), 'train'))).toEqual(refusal);
});

test('an image without an end, in a folder and alone', async () => {
  await temp.file('a/2.txt', '');
  symlinkSync('/dev/zero', temp.path('a/1.png'));
  expect(await failure(() => readFolder({ dir: temp.path() }))).toEqual({
    code: 'ERR_TENON_IO',
    message: expect.stringContaining('not a regular file'),
  });
  const cost = costOf('lib/files/read.ts', 'readWhole', temp.path('a/1.png'));
  expect(cost.error).toMatchObject({ code: 'ERR_TENON_IO', message: expect.stringContaining('1073741824') });
  expect(cost.grownBytes / MIB).toBeLessThan(1200);
}, 120_000);

test('MNIST with images of one pixel: what is kept of each sample counts', async () => {
  const count = 3_000_000;
  await temp.file('train-images-idx3-ubyte.gz', gzipOfZeros(idxHeader(count, 1, 1), count));
  await temp.file('train-labels-idx1-ubyte.gz', gzipOfZeros(idxHeader(count), count));
  expect(await failure(() => readMnist(temp.path(), 'train'))).toEqual({
    code: 'ERR_TENON_DATA',
    message: expect.stringMatching(/3000000 samples of 1 pixels.*option maxExpansion/),
  });
  expect((await readMnist(temp.path(), 'train', { maxExpansion: 1e5 })).length).toBe(count);
});

test('a list of class names of any length', async () => {
  await temp.file('data_batch_1.bin', Buffer.alloc(3073));
  await temp.file('batches.meta.txt', 'a\n'.repeat(MIB));
  expect(await failure(() => readCifar10(temp.path(), 'train'))).toMatchObject({ code: 'ERR_TENON_FORMAT' });
});

test('an archive of every cut, and with every bit of its headers flipped, ends in its files or in a FormatError', async () => {
  const good = tarArchive(pax({ path: 'a/b' }), file, tarPart({ type: 'L' }, 'a/c'), file);
  const variants = Array.from({ length: good.length / 64 }, (_, i) => good.subarray(0, 64 * i));
  for (let i = 0; i < good.length - 1024; i += 3) {
    const flipped = Buffer.from(good);
    flipped[i] = flipped[i]! ^ (1 << (i % 8));
    const start = i - (i % 512);
    // With a checksum that fits: else that would be all that is tested.
    withChecksum(flipped.subarray(start, start + 512));
    variants.push(flipped);
  }
  let read = 0;
  for (const variant of variants) {
    const path = await temp.file('variant', variant);
    const code = await readAll(path).then(
      () => undefined,
      (error: { code: string }) => error.code,
    );
    expect([undefined, 'ERR_TENON_FORMAT']).toContain(code);
    if (code === undefined) read++;
  }
  expect(read).toBeGreaterThan(10); // flipped names, times and owners
});

interface MeasuredRow {
  readonly name: string;
  /** What this cost with the readers of before. */
  readonly before: string;
  readonly make: () => Uint8Array;
  readonly call: readonly [module: string, name: string, ...args: Json[]];
  /** What it returns, or the code of what it throws. */
  readonly ends: unknown;
  readonly mostMib: number;
}

/** A directory's archive of `count` images, all empty. */
function emptyImages(count: number): Buffer {
  const names = Array.from({ length: count }, (_, i) => `train/c${i % 10}/${(i * 7919) % count}.png`);
  return tarArchive(...names.map((name) => tarHeader({ name })));
}

const smallRecords = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, 'v']));
const tarModule = 'lib/files/tar.ts';

const measured: readonly MeasuredRow[] = [
  {
    name: 'tar: a global PAX header of many records, and many files',
    before: '7 s without a turn of the event loop; 67 s for 4 MB of records',
    make: () =>
      tarArchive(
        pax(smallRecords, 'g'),
        ...Array.from({ length: 300 }, (_, i) => Buffer.concat([pax({ path: `a/${i}` }), file])),
      ),
    call: [tarModule, 'readTar'],
    ends: 300,
    mostMib: 100,
  },
  {
    name: 'tar: 600 MB of zeros in 3 MB',
    before: '1.3 GB',
    make: () => gzipOfZeros(tarHeader({ size: 600 * MIB }), 600 * MIB + 1024),
    call: [tarModule, 'readTar'],
    ends: 'ERR_TENON_DATA',
    mostMib: 100,
  },
  {
    name: 'tar: 100,000 empty images',
    before: '0.9 s without a turn of the event loop',
    make: () => gzipSync(emptyImages(100_000), { level: 1 }),
    call: ['lib/data/folder-scan.ts', 'findImages', 'train'],
    ends: undefined,
    mostMib: 250,
  },
  {
    name: 'idx: 300 MB of zeros in 1.3 MB',
    before: '900 MB',
    make: () => gzipOfZeros(idxHeader(300, 1000, 1000), 300_000_000),
    call: ['lib/data/idx.ts', 'readIdx'],
    ends: 'ERR_TENON_DATA',
    mostMib: 50,
  },
  {
    name: 'idx: the same where it is allowed',
    before: '900 MB',
    make: () => gzipOfZeros(idxHeader(300, 1000, 1000), 300_000_000),
    call: ['lib/data/idx.ts', 'readIdx', { maxExpansion: 2000 }],
    ends: undefined,
    mostMib: 400,
  },
  {
    name: 'image: a 2 MB PNG, interlaced, of 16-bit samples',
    before: '2.2 GB',
    make: () => pngOfZeros(16_000, 16_000, true),
    call: [
      'lib/data/decode-image.ts',
      'decodeImage',
      { height: 8, width: 8, channels: 1, mean: [0], std: [1] },
    ],
    ends: 'ERR_TENON_FORMAT',
    mostMib: 100,
  },
];

test.each(measured)(
  '$name (before: $before)',
  async ({ make, call, ends, mostMib }) => {
    const path = temp.path('hostile.tar');
    await writeFile(path, make());
    const [module, name, ...args] = call;
    const cost = costOf(module, name, path, ...args);
    expect(cost.error?.code ?? cost.value).toBe(ends);
    expect(cost.grownBytes / MIB).toBeLessThan(mostMib);
    expect(cost.longestTurnMs).toBeLessThan(500);
  },
  180_000,
);
