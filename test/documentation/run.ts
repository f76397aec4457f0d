/** Runs programs of pages in another process. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Block } from './blocks';
import { fileNameOf, install, writeAs, writeProgram } from './program';

const folderOf = (home: string, { page, line }: Block): string =>
  join(home, page.replaceAll(/\W+/g, '-').toLowerCase(), String(line));

/**
 * Writes each program to a folder in `home`, and those that have the name of a file also to the folders of
 * those below them on their page. Returns the files whose types can be checked.
 */
export function writeAll(programs: readonly Block[], home: string): Map<Block, string> {
  install(home);
  const files = new Map(programs.map((block) => [block, writeProgram(block, folderOf(home, block))]));
  for (const [i, block] of programs.entries()) {
    const name = fileNameOf(block);
    const users = programs.slice(i + 1).filter(({ page }) => page === block.page);
    if (name !== undefined)
      for (const user of users) writeAs(name, folderOf(home, block), folderOf(home, user));
  }
  return files;
}

/** What each program throws; an empty text for nothing. */
export async function run(programs: readonly Block[], home: string): Promise<Map<Block, string>> {
  const tasks = programs.map((block) => ({ folder: folderOf(home, block), ...block.mark }));
  const child = fork(join(__dirname, 'children', 'run-blocks.mjs'), [JSON.stringify(tasks)], {
    silent: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const said = new Map<string, string>();
  child.on('message', (message: { folder: string; said: string }) => said.set(message.folder, message.said));
  await once(child, 'close');
  const ended = `the process ended:\n${output.slice(-2000)}`;
  return new Map(programs.map((block) => [block, said.get(folderOf(home, block)) ?? ended]));
}
