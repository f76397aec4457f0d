import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import * as fs from 'node:fs/promises';
import fsPromises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { IoError } from '../../lib/errors';
import { renameOver, temporaryName, writeFileAtomic } from '../../lib/files/atomic-file';

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'tenon-atomic-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('writes all parts and leaves nothing beside', async () => {
  const path = join(dir, 'model');
  writeFileSync(path, 'old');
  await writeFileAtomic(path, [Buffer.from('new '), Buffer.alloc(0), Buffer.from('contents')]);
  expect(readFileSync(path, 'utf8')).toBe('new contents');
  expect(readdirSync(dir)).toEqual(['model']);
});

test.each([
  ['a name of 255 bytes', `${'m'.repeat(243)}.safetensors`],
  ['a name of 255 bytes in letters of three', 'ﾓ'.repeat(85)],
  ['a name of 255 bytes in letters of four', `${'🦊'.repeat(63)}abc`],
  ['a name of spaces and marks', ' a\n"\'\\$*?%.. '],
  ['a name that begins with a dash', '-rf'],
])('%s can be written', async (_, name) => {
  for (const contents of ['old', 'new']) await writeFileAtomic(join(dir, name), [Buffer.from(contents)]);
  expect(readFileSync(join(dir, name), 'utf8')).toBe('new');
  expect(readdirSync(dir)).toEqual([name]);
  const temporary = basename(temporaryName(join(dir, name)));
  expect(Buffer.byteLength(temporary)).toBeLessThanOrEqual(Math.max(60, Buffer.byteLength(name)));
});

test('a missing directory, and a directory in the way', async () => {
  await expect(writeFileAtomic(join(dir, 'no', 'model'), [])).rejects.toThrow('its directory does not exist');
  mkdirSync(join(dir, 'taken', 'full'), { recursive: true });
  await expect(writeFileAtomic(join(dir, 'taken'), [])).rejects.toThrow(IoError);
  expect(readdirSync(dir)).toEqual(['taken']);
});

describe('a file that another program has open', () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform')!;
  const code = (name: string): Error => Object.assign(new Error(name), { code: name });
  let rename: jest.SpyInstance;
  beforeEach(() => {
    writeFileSync(join(dir, 'new'), 'new');
    rename = jest.spyOn(fsPromises, 'rename');
  });
  afterEach(() => {
    Object.defineProperty(process, 'platform', platform);
    rename.mockRestore();
  });

  test('is renamed over on Windows once it is free', async () => {
    Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
    for (const name of ['EPERM', 'EBUSY', 'EACCES']) rename.mockRejectedValueOnce(code(name));
    await renameOver(join(dir, 'new'), join(dir, 'old'));
    expect(rename).toHaveBeenCalledTimes(4);
    expect(readdirSync(dir)).toEqual(['old']);
  });

  test('and stays so is an error after two seconds', async () => {
    Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
    rename.mockRejectedValue(code('EPERM'));
    const begin = performance.now();
    await expect(renameOver(join(dir, 'new'), join(dir, 'old'))).rejects.toThrow('EPERM');
    expect(performance.now() - begin).toBeGreaterThan(1900);
  });

  test('is an error at once elsewhere, as are other failures', async () => {
    rename.mockRejectedValueOnce(code('EPERM'));
    await expect(renameOver(join(dir, 'new'), join(dir, 'old'))).rejects.toThrow('EPERM');
    Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
    await expect(renameOver(join(dir, 'gone'), join(dir, 'old'))).rejects.toThrow('ENOENT');
    expect(rename).toHaveBeenCalledTimes(2);
  });
});

test('a full disk leaves the old file and no temporary one', async () => {
  // /dev/full cannot be renamed over, so the system call itself is made to fail.
  const path = join(dir, 'model');
  writeFileSync(path, 'old');
  const probe = await fs.open(path, 'r');
  const prototype = Object.getPrototypeOf(probe) as { write: unknown };
  await probe.close();
  const full = jest
    .spyOn(prototype as { write: () => Promise<never> }, 'write')
    .mockRejectedValue(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));
  try {
    await expect(writeFileAtomic(path, [Buffer.from('new')])).rejects.toThrow(
      'cannot be written: the disk is full',
    );
  } finally {
    full.mockRestore();
  }
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(dir)).toEqual(['model']);
  expect(existsSync(path)).toBe(true);
});
