/** Reading whole files: what is refused, and as which error. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError, IoError } from '../../lib/errors';
import { fileDigest, pathKind, readRegular, readText, readWhole } from '../../lib/files/read';

const directory = mkdtempSync(join(tmpdir(), 'tenon-read-'));
const path = (name: string): string => join(directory, name);

afterAll(() => rmSync(directory, { recursive: true }));

it('reads text, bytes and digests', async () => {
  writeFileSync(path('text'), '\ufeffabc\n');
  expect(await readText(path('text'))).toBe('\ufeffabc\n');
  expect(Array.from(await readRegular(path('text')))).toEqual([0xef, 0xbb, 0xbf, 97, 98, 99, 10]);
  writeFileSync(path('abc'), 'abc');
  // The digest of 'abc' in FIPS 180-4's examples.
  expect(await fileDigest(path('abc'))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});

it('what is missing is a DataError, what is not a file an IoError', async () => {
  for (const read of [readText, readRegular, readWhole, fileDigest]) {
    await expect(read(path('none'))).rejects.toThrow(DataError);
    await expect(read(directory)).rejects.toThrow(IoError);
  }
  expect(await pathKind(path('none'))).toBe('nothing');
  expect(await pathKind(directory)).toBe('directory');
});

// Opening a pipe that nobody writes to waits for ever.
it('refuses a pipe where a file is expected', async () => {
  execFileSync('mkfifo', [path('pipe')]);
  await expect(readText(path('pipe'))).rejects.toThrow(/not a regular file/);
  await expect(readRegular(path('pipe'))).rejects.toThrow(IoError);
});
