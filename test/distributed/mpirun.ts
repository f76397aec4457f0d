/** Jobs of several ranks for tests, which are skipped where a launcher is not installed. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Launcher {
  readonly name: string;
  readonly program: string | undefined;
  readonly flags: readonly string[];
}

function onPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, program)).find((file) => existsSync(file));
}

/** As Debian names them; both may be installed. */
export const LAUNCHERS: readonly Launcher[] = [
  {
    name: 'Open MPI',
    program: onPath('mpirun.openmpi'),
    flags: ['--oversubscribe', '--allow-run-as-root', '--bind-to', 'none'],
  },
  { name: 'MPICH', program: onPath('mpirun.mpich'), flags: [] },
];

/** Behind the names of tests. */
export const why = ({ name, program }: Launcher) => (program ? '' : ` (skipped: ${name} is not installed)`);

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** Lines of JSON on standard output, in any order. */
  readonly lines: readonly unknown[];
  readonly seconds: number;
}

/** Runs a program of `ranks` ranks. */
export async function mpirun(
  { program, flags }: Launcher,
  ranks: number,
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const begin = performance.now();
  const args = [...flags, '-n', String(ranks), process.execPath, ...command];
  const child = spawn(program ?? '', args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const lines = out.split('\n').filter((line) => /^[[{"]/.test(line));
  return {
    code,
    out,
    err,
    lines: lines.map((line) => JSON.parse(line) as unknown),
    seconds: (performance.now() - begin) / 1000,
  };
}

const folder = join(__dirname, '..');

/** A scenario of children/rank.ts on so many ranks. */
export function scenario(
  launcher: Launcher,
  ranks: number,
  name: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const register = join(folder, 'native', 'children', 'register.js');
  return mpirun(launcher, ranks, ['-r', register, join(__dirname, 'children', 'rank.ts'), name], env);
}
