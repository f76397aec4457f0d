/**
 * What each rank has of its host: CPUs that its launcher bound it to, and how many threads may use them where
 * ranks share them.
 */
import { coresOf, cpuQuota, info } from '../native';
import { cpusOfProcess, union } from './cpus';
import { starterOfThis } from './starter';

/** A rank on its host, as JSON can hold it. */
export interface RankPlace {
  readonly host: string;
  /** CPUs that it may run on; null where the system does not say. */
  readonly cpus: readonly number[] | null;
  /** Physical cores behind them, or as many as it has threads where the system does not say. */
  readonly cores: number;
  /** CPUs that its launcher may run on; null where nobody says. */
  readonly launcherCpus: readonly number[] | null;
  /** CPUs that its cgroup allows; null: all. */
  readonly quota: number | null;
  readonly threads: number;
  readonly threadsReason: string;
  /** By a variable or by the program. */
  readonly threadsChosen: boolean;
}

/** Where this process is. */
export function placeOfThis(host: string): RankPlace {
  const { threads, threadsReason, threadsChosen } = info();
  const cpus = cpusOfProcess('self') ?? null;
  const starter = starterOfThis();
  const quota = cpuQuota();
  return {
    host,
    cpus,
    cores: cpus === null ? threads : coresOf(cpus),
    launcherCpus: (starter && cpusOfProcess(starter.pid)) ?? null,
    quota: Number.isFinite(quota) ? quota : null,
    threads,
    threadsReason,
    threadsChosen,
  };
}

/** How many threads a rank may keep busy, and why. */
export interface ThreadShare {
  readonly threads: number;
  readonly reason: string;
}

/**
 * The threads of a rank that shares CPUs, or a cgroup's quota, with other ranks of its host; undefined where
 * it shares nothing. At least one thread, also where there are more ranks than cores.
 * @param coresBehind how many physical cores are behind CPUs of the rank's host
 */
export function threadShare(
  places: readonly RankPlace[],
  rank: number,
  coresBehind: (cpus: readonly number[]) => number = coresOf,
): ThreadShare | undefined {
  const own = places[rank]!;
  const here = places.filter(({ host }) => host === own.host);
  const sharing = own.cpus === null ? here : overlapping(own, here);
  const cores = own.cpus === null ? own.cores : coresBehind(union(sharing.map(({ cpus }) => cpus ?? [])));
  const shares: ThreadShare[] = [];
  if (sharing.length > 1) shares.push(shareOf(cores, counted(cores, 'core'), sharing));
  if (own.quota !== null && here.length > 1)
    shares.push(shareOf(own.quota, `cgroup CPU quota of ${Number(own.quota.toPrecision(4))}`, here));
  const [least] = shares.sort((a, b) => a.threads - b.threads);
  return least !== undefined && least.threads < own.cores ? least : undefined;
}

function shareOf(cpus: number, what: string, ranks: readonly RankPlace[]): ThreadShare {
  const threads = Math.max(1, Math.floor(cpus / ranks.length));
  return { threads, reason: `${what}, which ${ranks.length} ranks of this host share` };
}

/** Those whose CPUs are some of its own, or of another that belongs to them. */
function overlapping(own: RankPlace, here: readonly RankPlace[]): RankPlace[] {
  const group = new Set([own]);
  for (let before = 0; before < group.size;) {
    before = group.size;
    const cpus = new Set(union([...group].map((place) => place.cpus ?? [])));
    for (const place of here) if (place.cpus?.some((cpu) => cpus.has(cpu))) group.add(place);
  }
  return [...group];
}

/**
 * What is wrong with the cores that the launcher left to ranks, and how to mend it; undefined for nothing.
 * Open MPI binds each rank to one core where there are at most two, whatever else the host has.
 */
export function bindingProblem(places: readonly RankPlace[]): string | undefined {
  for (const host of new Set(places.map((place) => place.host))) {
    const here = places.filter((place) => place.host === host);
    const problem = crowded(places, here) ?? idle(here);
    if (problem !== undefined)
      return `${problem}. mpirun --bind-to none leaves the cores to tenon's threads, and Open MPI's --map-by slot:PE=N binds each rank to N cores`;
  }
  return undefined;
}

/** A rank with more threads than cores, because the launcher bound it. */
function crowded(places: readonly RankPlace[], here: readonly RankPlace[]): string | undefined {
  const rank = here.find((place) => isBound(place) && place.threads > place.cores);
  if (rank === undefined) return undefined;
  const { threads, threadsReason, cores } = rank;
  return `rank ${places.indexOf(rank)} (${rank.host}) has ${threads} threads (${threadsReason}), but its launcher bound it to ${counted(cores, 'core')}`;
}

/** Ranks of one core each on a host that has more. Whoever wants one thread says so. */
function idle(here: readonly RankPlace[]): string | undefined {
  const [first] = here;
  if (
    !here.every(
      (place) => isBound(place) && place.cores === 1 && !(place.threadsChosen && place.threads === 1),
    )
  )
    return undefined;
  const used = union(here.map(({ cpus }) => cpus ?? []));
  const had = union(here.map(({ launcherCpus }) => launcherCpus ?? []));
  const unused = had.filter((cpu) => !used.includes(cpu)).length;
  if (unused === 0 || (first!.quota ?? Infinity) < used.length + 1) return undefined;
  return `the launcher bound each rank on ${first!.host} to one core, which leaves ${unused} of ${counted(had.length, 'CPU')} idle (TENON_NUM_THREADS=1 says that this is meant)`;
}

function isBound({ cpus, launcherCpus }: RankPlace): boolean {
  return cpus !== null && launcherCpus !== null && launcherCpus.some((cpu) => !cpus.includes(cpu));
}

/** "1 core", "2 cores". */
export function counted(n: number, one: string): string {
  return `${n} ${one}${n === 1 ? '' : 's'}`;
}
