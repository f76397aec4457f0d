/** Which program started this process as one of several, by the variables that launchers set. */

/** Whose library belongs to a launcher; `any`: the launcher serves all of them. */
export type Family = 'openmpi' | 'mpich' | 'any';

export interface Launcher {
  /** As a message calls it: `Open MPI's mpirun`. */
  readonly name: string;
  readonly family: Family;
  /** How many ranks it started; undefined where it does not say. */
  readonly size: number | undefined;
  /** How many of them on this machine. */
  readonly localSize: number | undefined;
}

interface Known {
  readonly name: string;
  readonly family: Family;
  /** The variable that only processes of this launcher have. */
  readonly mark: string;
  readonly size?: string;
  readonly localSize?: string;
}

/** The first that fits counts: within a Slurm job, mpirun's processes have Slurm's variables, too. */
const LAUNCHERS: readonly Known[] = [
  {
    name: "Open MPI's mpirun",
    family: 'openmpi',
    mark: 'OMPI_COMM_WORLD_RANK',
    size: 'OMPI_COMM_WORLD_SIZE',
    localSize: 'OMPI_COMM_WORLD_LOCAL_SIZE',
  },
  {
    name: "a launcher of MPICH's kind (PMI)",
    family: 'mpich',
    mark: 'PMI_RANK',
    size: 'PMI_SIZE',
    localSize: 'MPI_LOCALNRANKS',
  },
  {
    // A batch script has Slurm's variables as well, but is a step of no tasks.
    name: "Slurm's srun",
    family: 'any',
    mark: 'SLURM_STEP_NUM_TASKS',
    size: 'SLURM_STEP_NUM_TASKS',
  },
  { name: 'a launcher of PMIx', family: 'any', mark: 'PMIX_RANK' },
];

function count(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

/** The launcher of this process; undefined where nobody started it as one of several. */
export function launcherOf(env: Readonly<NodeJS.ProcessEnv>): Launcher | undefined {
  const known = LAUNCHERS.find(({ mark }) => env[mark] !== undefined);
  if (!known) return undefined;
  const { name, family, size, localSize } = known;
  return {
    name,
    family,
    size: size === undefined ? undefined : count(env[size]),
    localSize: localSize === undefined ? undefined : count(env[localSize]),
  };
}
