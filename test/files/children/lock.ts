/**
 * Tries for the lock of each directory, one every 20 ms from a given moment on, and prints how each attempt
 * ended; ends without letting go.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { lockDirectory } from '../../../lib/files/directory-lock';

async function main([begin, ...directories]: string[]): Promise<void> {
  const ended: string[] = [];
  for (const [i, directory] of directories.entries()) {
    await wait(Math.max(0, Number(begin) + 20 * i - Date.now()));
    const outcome = await lockDirectory(directory, []).then(
      () => 'taken',
      (error: unknown) => (error as { code?: string }).code ?? String(error),
    );
    ended.push(outcome);
  }
  // Long enough for the others to have tried.
  await wait(2000);
  process.stdout.write(JSON.stringify(ended));
  process.exit(0);
}

void main(process.argv.slice(2));
