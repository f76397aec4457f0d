/**
 * Launchers of MPI for jobs of several ranks, on cores that other programs may use: those in PATH, and those
 * of the installations that TENON_MPI_PREFIXES lists, such as `/opt/openmpi:/opt/mpich`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Skipped } from './report.mjs';

const FAMILIES = [
  {
    family: 'Open MPI',
    version: /\((?:Open MPI|OpenRTE)\) (\S+)/,
    flags: ['--oversubscribe', '--allow-run-as-root', '--bind-to', 'none'],
    rank: 'OMPI_COMM_WORLD_RANK',
  },
  { family: 'MPICH', version: /HYDRA[^]*?Version:\s+(\S+)/, flags: [], rank: 'PMI_RANK' },
];

const folders = (text = '') => text.split(delimiter).filter(Boolean);

function candidates() {
  const names = ['mpirun.openmpi', 'mpirun.mpich', 'mpirun'];
  const inPath = names.flatMap((name) => folders(process.env.PATH).map((folder) => join(folder, name)));
  const beside = folders(process.env.TENON_MPI_PREFIXES).map((prefix) => join(prefix, 'bin', 'mpirun'));
  return [...inPath, ...beside].filter((file) => existsSync(file));
}

/** What a launcher says that it is; undefined where tenon does not know it. */
function identify(file) {
  const { stdout = '' } = spawnSync(file, ['--version'], { encoding: 'utf8' });
  for (const { version, ...known } of FAMILIES) {
    const [, number] = version.exec(stdout ?? '') ?? [];
    if (number !== undefined) return { ...known, file, name: `${known.family} ${number}` };
  }
  return undefined;
}

/** One launcher of each family and version. */
export function launchers() {
  const found = new Map();
  for (const launcher of candidates().map(identify).filter(Boolean))
    if (!found.has(launcher.name)) found.set(launcher.name, launcher);
  return [...found.values()];
}

/** The first of a family. @throws Skipped where there is none */
export function launcherOf(family = 'Open MPI') {
  const launcher = launchers().find((each) => each.family === family);
  if (launcher === undefined) throw new Skipped(`${family}'s mpirun is not installed`);
  return launcher;
}

/** The command that runs a script on so many ranks. @throws Skipped where the default is not installed */
export function mpirun(ranks, args, { file, flags } = launcherOf()) {
  return [file, [...flags, '-n', String(ranks), process.execPath, ...args]];
}
