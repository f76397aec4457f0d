import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, symlinkSync, truncateSync } from 'node:fs';
import type * as promises from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { type ReadTarOptions, type TarEntry, readTar } from '../../lib/files/tar';
import { parseHeader } from '../../lib/files/tar-headers';
import { failure, tarGzOf, tarOf, useTempDir } from '../data/helpers';

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

const gnuTar = spawnSync('tar', ['--version'], { encoding: 'utf8' });
const hasGnuTar = gnuTar.status === 0 && gnuTar.stdout.includes('GNU tar');

(hasGnuTar ? describe : describe.skip)(
  `what GNU tar writes${hasGnuTar ? '' : ' (SKIPPED: there is none)'}`,
  () => {
    const long = `${'deep/'.repeat(24)}${'n'.repeat(90)}.txt`;
    const names = {
      v7: ['a.txt', 'b/c.txt'],
      ustar: ['a.txt', long],
      gnu: ['a.txt', long],
      posix: ['a.txt', long],
    };

    test.each(['v7', 'ustar', 'gnu', 'posix'] as const)('%s', async (format) => {
      for (const name of names[format]) await temp.file(`in/${name}`, `content of ${name}`);
      await temp.file('in/empty', '');
      symlinkSync('a.txt', temp.path('in/link'));
      linkSync(temp.path('in/a.txt'), temp.path('in/z-hard'));
      const made = spawnSync('tar', [
        `--format=${format}`,
        '--sort=name',
        '-cf',
        temp.path('x.tar'),
        '-C',
        temp.path('in'),
        '.',
      ]);
      expect(made.status).toBe(0);
      const entries = await all(temp.path('x.tar'));
      const found = entries.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()]);
      const expected = names[format].map((name) => [name, `content of ${name}`]);
      expect(found.sort()).toEqual([...expected, ['empty', '']].sort());
    });

    test('a size above 8 GiB, in binary: a sparse file of which only the header is read', async () => {
      const file = await temp.file('large', '');
      truncateSync(file, 9 * 2 ** 30);
      const tar = spawn('tar', ['--format=gnu', '-cf', '-', '-C', temp.path(), 'large'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const [head] = (await once(tar.stdout, 'data')) as [Buffer];
      tar.kill();
      await temp.file('cut.tar', head.subarray(0, 512));
      const error = await failure(() => all(temp.path('cut.tar')));
      expect(error.message).toContain('truncated');
      expect(parseHeader(head.subarray(0, 512))).toMatchObject({ name: 'large', size: 9 * 2 ** 30 });
    });
  },
);

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
    ['text', async () => Buffer.from('this is not an archive at all, '.repeat(100))],
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
