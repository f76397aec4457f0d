import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { info, setThreads } from '../../lib/native';
import { smallTrainer, someGlyphs, temporaryDirectory, weightsDigest } from './helpers';

async function digestWith(threads: number): Promise<string> {
  const before = info().threads;
  setThreads(threads);
  try {
    const trainer = smallTrainer();
    await trainer.fit(await someGlyphs(), { epochs: 4, batchSize: 32 });
    return await weightsDigest(trainer.model);
  } finally {
    setThreads(before);
  }
}

function child(
  directory: string,
  killAt: string,
  threads: number,
): { signal: string | null; stdout: string; stderr: string } {
  const register = join(__dirname, '..', 'native', 'children', 'register.js');
  const script = join(__dirname, 'children', 'killed.ts');
  return spawnSync(process.execPath, ['-r', register, script, directory, killAt, String(threads)], {
    encoding: 'utf8',
  });
}

describe('the same bits', () => {
  test('with 1 to 64 threads, and after kill -9 and resume', async () => {
    const one = await digestWith(1);
    for (const threads of [2, 4, 8, 16, 64])
      expect([threads, await digestWith(threads)]).toEqual([threads, one]);
    const directory = temporaryDirectory();
    // Step 12 comes two steps after a checkpoint, in the middle of an epoch.
    expect(child(directory, '12', 2)).toMatchObject({ signal: 'SIGKILL' });
    expect(child(directory, 'resume', 4)).toMatchObject({ signal: null, stdout: one, stderr: '' });
    rmSync(directory, { recursive: true });
  });
});
