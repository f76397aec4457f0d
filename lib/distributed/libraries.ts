/** Where to look for the library of MPI that belongs to the launcher, in order. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Family } from './launcher';
import { starterOfThis } from './starter';

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

/** Where the launcher is, the library is that it was installed with. */
function foldersOfStarter(): string[] {
  const starter = starterOfThis();
  if (starter === undefined) return [];
  const prefix = dirname(dirname(starter.file));
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
