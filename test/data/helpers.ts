/** What the tests of the readers share. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { ImageSource } from '../../lib/data/source';

/** Real data, see shared/data/README.md. */
export const REAL_DATA = process.env.TENON_DATA ?? resolve(__dirname, '../../../shared/data');

/** `describe` that is skipped, and says so, where the real data `name` is absent. */
export function describeReal(name: string, tests: () => void): void {
  if (existsSync(join(REAL_DATA, name))) describe(`real ${name}`, tests);
  else describe.skip(`real ${name} (SKIPPED: no ${join(REAL_DATA, name)}, set TENON_DATA)`, tests);
}

/** A fresh directory for each test of a file, removed afterwards. */
export function useTempDir(): {
  file: (name: string, content: Uint8Array | string) => Promise<string>;
  path: (name?: string) => string;
} {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tenon-data-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const path = (name = ''): string => join(dir, name);
  const file = async (name: string, content: Uint8Array | string): Promise<string> => {
    await mkdir(dirname(path(name)), { recursive: true });
    await writeFile(path(name), content);
    return path(name);
  };
  return { file, path };
}

/** A tar archive of files. */
export async function tarOf(files: Record<string, Uint8Array | string>): Promise<Buffer> {
  const packer = pack();
  for (const [name, content] of Object.entries(files)) packer.entry({ name }, Buffer.from(content));
  packer.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function tarGzOf(files: Record<string, Uint8Array | string>): Promise<Buffer> {
  return gzipSync(await tarOf(files));
}

/** Sample `index` of a source. */
export async function sample(source: ImageSource, index: number): Promise<Uint8Array> {
  const out = new Uint8Array(source.height * source.width * source.channels);
  await source.read(index, out);
  return out;
}

/** What a failing call threw. */
export async function failure(call: () => unknown): Promise<{ code: unknown; message: string }> {
  try {
    await call();
  } catch (error) {
    const { code, message } = error as { code: unknown; message: string };
    return { code, message };
  }
  throw new Error('expected an error, there was none');
}
