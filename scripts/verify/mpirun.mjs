/** Jobs of several ranks of Open MPI, on cores that other programs may use. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Skipped } from './report.mjs';

const launcher = (process.env.PATH ?? '')
  .split(delimiter)
  .flatMap((folder) => [join(folder, 'mpirun.openmpi'), join(folder, 'mpirun')])
  .find((file) => existsSync(file));

/** The command that runs a script on so many ranks. @throws Skipped where Open MPI is not installed */
export function mpirun(ranks, args) {
  if (launcher === undefined) throw new Skipped("Open MPI's mpirun is not installed");
  const flags = ['--oversubscribe', '--allow-run-as-root', '--bind-to', 'none', '-n', String(ranks)];
  return [launcher, [...flags, process.execPath, ...args]];
}
