import type * as promises from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { type ReadTarOptions, type TarEntry, readTar } from '../../lib/data/tar';
import { failure, tarGzOf, tarOf, useTempDir } from './helpers';

const temp = useTempDir();

async function all(file: string, options?: ReadTarOptions): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for await (const entry of readTar(file, options)) entries.push(entry);
  return entries;
}
// Does not compress: the middle bits of a multiplicative hash.
const big = Buffer.from(
  Uint8Array.from({ length: 300_000 }, (_, i) => Math.imul(i ^ (i << 7), 0x9e3779b1) >>> 19),
);

test.each(['tar', 'tar.gz'])('yields the files of a .%s in order', async (kind) => {
  const files = { './b.txt': 'hello', 'a/empty': '', [`${'long/'.repeat(40)}big`]: big };
  const file = await temp.file(`x.${kind}`, await (kind === 'tar' ? tarOf(files) : tarGzOf(files)));
  const entries = await all(file);
  expect(entries.map((entry) => entry.path)).toEqual(['b.txt', 'a/empty', `${'long/'.repeat(40)}big`]);
  expect(Buffer.from(entries[0]?.bytes ?? []).toString()).toBe('hello');
  expect(entries[1]?.bytes).toHaveLength(0);
  expect(big.equals(entries[2]?.bytes ?? new Uint8Array())).toBe(true);
});

test('passes over what the filter refuses, and can be left early', async () => {
  const file = await temp.file('x.tgz', await tarGzOf({ a: 'a', b: big, c: 'c' }));
  expect((await all(file, { filter: (path) => path !== 'b' })).map((entry) => entry.path)).toEqual([
    'a',
    'c',
  ]);
  for await (const entry of readTar(file)) {
    expect(entry.path).toBe('a');
    break;
  }
});

test('what the filter throws is passed on', async () => {
  const file = await temp.file('x.tar', await tarOf({ a: big, b: 'b' }));
  const error = new Error('no more');
  const filter = (): boolean => {
    throw error;
  };
  await expect(all(file, { filter })).rejects.toBe(error);
});

test.each(['tar', 'tar.gz'])('a .%s that is removed once it is open is read to its end', async (kind) => {
  const file = await temp.file(`x.${kind}`, await (kind === 'tar' ? tarOf : tarGzOf)({ a: big, b: 'b' }));
  // Not by import: what `import * as` gives cannot be spied on.
  const fs = jest.requireActual<typeof promises>('node:fs/promises');
  const { open, rm } = fs;
  const opened = jest.spyOn(fs, 'open').mockImplementationOnce(async (path) => {
    const handle = await open(path);
    await rm(file);
    return handle;
  });
  expect((await all(file)).map((entry) => entry.path)).toEqual(['a', 'b']);
  expect(opened).toHaveBeenCalledTimes(1);
  opened.mockRestore();
});

test('a path that climbs is only a name', async () => {
  const file = await temp.file('x.tar', await tarOf({ '../../evil': 'x' }));
  expect((await all(file))[0]?.path).toBe('../../evil');
});

describe('hostile archives', () => {
  const cases: [string, () => Promise<Uint8Array>][] = [
    ['empty', async () => Buffer.alloc(0)],
    ['text', async () => Buffer.from('this is no archive at all, '.repeat(100))],
    ['cut inside a file', async () => (await tarOf({ a: big })).subarray(0, 5000)],
    ['cut behind a file', async () => (await tarOf({ a: 'x', b: 'y' })).subarray(0, 1024)],
    ['gzip cut off', async () => (await tarGzOf({ a: big })).subarray(0, 2000)],
    [
      'gzip damaged',
      async () => {
        const data = await tarGzOf({ a: big });
        data.fill(0x55, 1000, 1100);
        return data;
      },
    ],
    [
      'header damaged',
      async () => {
        const data = await tarOf({ a: 'x' });
        data[110] = 0x37;
        return data;
      },
    ],
    ['gzip of text', async () => gzipSync(Buffer.from('no archive '.repeat(100)))],
  ];
  test.each(cases)('%s is a FormatError naming the file', async (_name, make) => {
    const file = await temp.file('bad.tar.gz', await make());
    const error = await failure(() => all(file));
    expect(error.code).toBe('ERR_TENON_FORMAT');
    expect(error.message).toContain(file);
  });

  test('unpacking is bounded', async () => {
    const file = await temp.file('bomb.tgz', await tarGzOf({ a: Buffer.alloc(3_000_000) }));
    expect(await failure(() => all(file, { maxBytes: 1_000_000 }))).toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringContaining('1000000'),
    });
    expect((await failure(() => all(file, { maxBytes: 0 }))).code).toBe('ERR_TENON_OPTION');
  });

  test('missing files and directories', async () => {
    expect((await failure(() => all(temp.path('none.tar')))).code).toBe('ERR_TENON_DATA');
    expect((await failure(() => all(temp.path()))).code).toBe('ERR_TENON_IO');
  });
});
