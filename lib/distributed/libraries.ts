/** Where to look for the library of MPI that belongs to the launcher, in order. */
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Family } from './launcher';

/** As the system's loader knows them. Debian's MPICH has a name of its own. */
const SONAMES: Readonly<Record<'openmpi' | 'mpich' | 'standard', readonly string[]>> = {
  openmpi: ['libmpi.so.40'],
  mpich: ['libmpi.so.12', 'libmpich.so.12'],
  standard: ['libmpi_abi.so.1', 'libmpi_abi.so.0'],
};

/** A library of another family than the launcher's would make a world of one of each rank. */
const ORDER: Readonly<Record<Family, readonly (keyof typeof SONAMES)[]>> = {
  openmpi: ['openmpi', 'standard'],
  mpich: ['mpich', 'standard'],
  any: ['openmpi', 'mpich', 'standard'],
};

/** Programs that start ranks. Where they are, the library is that they were installed with. */
const STARTERS =
  /^(mpirun|mpiexec|orterun|orted|prterun|prte|prted|hydra_pmi_proxy|hydra_bstrap_proxy)(\.|$)/;

/** Ancestors that are looked at: a shell or npx may stand between the launcher and this process. */
const GENERATIONS = 8;

/**
 * The programs of the parents of process `pid`, from the nearest up. Empty where the system does not say; a
 * starter of another user, such as a daemon of the cluster, does not say either.
 */
function programsAbove(pid: number): string[] {
  const programs: string[] = [];
  try {
    for (let up = pid, i = 0; up > 1 && i < GENERATIONS; i++) {
      programs.push(readlinkSync(`/proc/${up}/exe`));
      const text = readFileSync(`/proc/${up}/stat`, 'latin1');
      // proc_pid_stat(5): the name, which may hold anything, is in parentheses; field 4 is the parent.
      up = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
    }
  } catch {
    // What was found so far counts.
  }
  return programs;
}

/** The folders of libraries beside the launcher that started this process. */
function foldersOfStarter(): string[] {
  const starter = programsAbove(process.ppid).find((file) => STARTERS.test(file.split('/').at(-1) ?? ''));
  if (starter === undefined) return [];
  const prefix = dirname(dirname(starter));
  return [join(prefix, 'lib'), join(prefix, 'lib64')];
}

/**
 * Files and names to try, the best first. TENON_MPI names the one to use. Else those that were installed with
 * the launcher come first, then those of its family that the system's loader finds.
 */
export function librariesFor(family: Family, env: Readonly<NodeJS.ProcessEnv>): string[] {
  const chosen = env.TENON_MPI;
  if (chosen) return [chosen];
  const names = ORDER[family].flatMap((kind) => SONAMES[kind]);
  const beside = foldersOfStarter().flatMap((folder) => names.map((name) => join(folder, name)));
  return [...beside.filter((file) => existsSync(file)), ...names];
}
