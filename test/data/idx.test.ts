import { readFile, readdir } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type IdxArray, encodeIdx, parseIdx, readIdx, writeIdx } from '../../lib/data/idx';
import { failure, useTempDir } from './helpers';

const temp = useTempDir();
const header = (magic: number[], ...sizes: number[]): Buffer => {
  const out = Buffer.alloc(4 + 4 * sizes.length);
  out.set(magic);
  sizes.forEach((size, i) => out.writeUInt32BE(size, 4 + 4 * i));
  return out;
};
const bytes = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);

describe('readIdx and writeIdx', () => {
  const arrays: IdxArray[] = [
    { dtype: 'u8', shape: [2, 3], data: Uint8Array.of(0, 1, 2, 253, 254, 255) },
    { dtype: 'i8', shape: [3], data: Int8Array.of(-128, 0, 127) },
    { dtype: 'i16', shape: [2, 1], data: Int16Array.of(-2, 258) },
    { dtype: 'i32', shape: [2], data: Int32Array.of(-70000, 1) },
    { dtype: 'f32', shape: [1, 1, 2], data: Float32Array.of(0.5, -1e30) },
    { dtype: 'f64', shape: [1], data: Float64Array.of(Math.PI) },
    { dtype: 'u8', shape: [0, 28], data: new Uint8Array(0) },
  ];
  test.each(arrays)('$dtype $shape survives a round trip, plain and gzipped', async (array) => {
    for (const name of ['a.idx', 'a.idx.gz']) {
      await writeIdx(temp.path(name), array);
      expect(await readIdx(temp.path(name))).toEqual(array);
    }
    expect(await readdir(temp.path())).toEqual(['a.idx', 'a.idx.gz']); // no temporary file stays
  });

  test('elements are big-endian', () => {
    const encoded = encodeIdx({ dtype: 'i16', shape: [2], data: Int16Array.of(1, -2) });
    expect([...encoded]).toEqual([0, 0, 0x0b, 1, 0, 0, 0, 2, 0, 1, 0xff, 0xfe]);
  });

  test('gzip is told by content, not by name', async () => {
    await writeIdx(temp.path('plain'), { dtype: 'u8', shape: [1], data: Uint8Array.of(7) }, { gzip: true });
    expect(gunzipSync(await readFile(temp.path('plain'))).length).toBe(9);
    expect((await readIdx(temp.path('plain'))).data).toEqual(Uint8Array.of(7));
  });

  test('data of another length than the shape says cannot be written', async () => {
    const wrong = { dtype: 'u8', shape: [3], data: Uint8Array.of(1) } as const;
    expect((await failure(() => writeIdx(temp.path('x'), wrong))).code).toBe('ERR_TENON_OPTION');
  });

  test('a directory that does not exist cannot be written to', async () => {
    const array = { dtype: 'u8', shape: [1], data: Uint8Array.of(1) } as const;
    expect((await failure(() => writeIdx(temp.path('no/x'), array))).code).toBe('ERR_TENON_IO');
  });
});

describe('hostile IDX', () => {
  const u8 = [0, 0, 8, 2];
  const cases: [string, Buffer, RegExp][] = [
    ['empty', Buffer.alloc(0), /too short/],
    ['wrong magic', Buffer.from('PK\x03\x04 and more'), /magic number 0x504b0304, expected/],
    ['unknown type', header([0, 0, 0x0a, 1], 1), /magic/],
    ['rank 0', Buffer.from([0, 0, 8, 0]), /rank 0/],
    ['rank 255', Buffer.from([0, 0, 8, 255]), /rank 255/],
    ['header cut off', Buffer.from([0, 0, 8, 2, 0, 0]), /truncated header/],
    [
      'truncated',
      bytes(header(u8, 2, 2), Buffer.alloc(3)),
      /truncated: the header says u8 \[2, 2\], 16 bytes in all, found 15/,
    ],
    ['trailing bytes', bytes(header(u8, 2, 2), Buffer.alloc(5)), /trailing bytes/],
    ['sizes that overflow', header(u8, 0xffffffff, 0xffffffff), /truncated/],
    [
      'gzip that claims far too much',
      gzipSync(header(u8, 0xffff, 0xffff)),
      /more than \d+ gzipped bytes can hold/,
    ],
    ['gzip that holds less', gzipSync(bytes(header(u8, 2, 2), Buffer.alloc(3))), /truncated/],
    ['gzip that holds more', gzipSync(bytes(header(u8, 2, 2), Buffer.alloc(5))), /trailing bytes/],
    ['a zip bomb', gzipSync(bytes(header(u8, 2, 2), Buffer.alloc(50_000_000))), /trailing bytes/],
    [
      'gzip cut off',
      gzipSync(bytes(header(u8, 100, 100), Buffer.alloc(10000, 'abcdefghi'))).subarray(0, 50),
      /truncated or corrupt/,
    ],
    ['gzip of nothing', gzipSync(Buffer.alloc(0)), /too short/],
    ['broken gzip', Buffer.from([0x1f, 0x8b, 9, 9, 9, 9]), /corrupt gzip/],
  ];
  test.each(cases)('%s is a FormatError naming the file', async (_name, content, message) => {
    const file = await temp.file('bad', content);
    const error = await failure(() => readIdx(file));
    expect(error.code).toBe('ERR_TENON_FORMAT');
    expect(error.message).toContain(file);
    expect(error.message).toMatch(message);
  });

  test('every cut and every flipped header byte ends in a value or a FormatError', async () => {
    const good = gzipSync(encodeIdx({ dtype: 'i16', shape: [3, 2], data: Int16Array.of(1, 2, 3, 4, 5, 6) }));
    for (let i = 0; i < good.length; i++) {
      const flipped = Buffer.from(good);
      flipped[i] = (flipped[i] ?? 0) ^ 0x55;
      for (const content of [good.subarray(0, i), flipped]) {
        const code = await parseIdx(content).then(
          () => undefined,
          (error: { code: string }) => error.code,
        );
        expect([undefined, 'ERR_TENON_FORMAT']).toContain(code);
      }
    }
  });

  test('a missing file is a DataError', async () => {
    expect(await failure(() => readIdx(temp.path('none')))).toMatchObject({ code: 'ERR_TENON_DATA' });
  });
});
