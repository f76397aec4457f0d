/**
 * `tenon tune --workers mpi`: ranks of a job work on one study. MPI tells them who they are; what they share
 * is the study's log, as processes without MPI do. So they leave their world before the first trial, and the
 * death of a rank is that of a worker.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { join, type World } from '../distributed';
import { launcherOf } from '../distributed/launcher';
import { DataError } from '../errors';
import { messageOf } from '../options';
import type { StudyTrial } from '../tune/run/runnable';
import type { Study } from '../tune/study/study';
import type { TrialState } from '../tune/study/trial';
import { UsageError, failureOf } from './exit-codes';

/** Milliseconds between two looks at trials of other ranks, and without a heartbeat until one is given up. */
const PACE = 500;
const GRACE = 60_000;

/** A study as one of several ranks has opened it. */
export interface OnRank {
  readonly rank: number;
  readonly size: number;
  readonly study: Study;
}

type Opened = { readonly study: Study } | { readonly error: unknown };

/**
 * Opens the study on all ranks: rank 0 first, which may make it.
 * @returns the exit code on other ranks than 0, where another rank could not open it
 * @throws on rank 0, what went wrong on any rank
 */
export async function openOnRanks(
  make: () => Promise<Study>,
  find: () => Promise<Study>,
): Promise<OnRank | number> {
  if (launcherOf(process.env) === undefined)
    throw new UsageError(
      '--workers mpi: no launcher started this process; mpirun -n 8 tenon tune --workers mpi',
    );
  const world = await join();
  const { rank, size } = world;
  const first = rank === 0 ? await attempt(make) : undefined;
  const failed = await failureOnAny(world, first);
  const own = failed === undefined ? (first ?? (await attempt(find))) : first;
  const failure = failed ?? (await failureOnAny(world, own));
  await world.leave();
  if (failure === undefined && own !== undefined && 'study' in own) return { rank, size, study: own.study };
  if (own !== undefined && 'study' in own) await own.study.close();
  if (rank > 0) return failure?.exitCode ?? 1;
  if (own !== undefined && 'error' in own) throw own.error;
  throw new DataError(
    `rank ${failure?.rank} (${world.hosts[failure?.rank ?? 0]}) does not find the study of rank 0: ${failure?.message}. Ranks on several hosts need a folder that all of them see, or --study postgres://...`,
  );
}

async function attempt(open: () => Promise<Study>): Promise<Opened> {
  try {
    return { study: await open() };
  } catch (error) {
    return { error };
  }
}

interface Failure {
  readonly rank: number;
  readonly exitCode: number;
  readonly message: string;
}

/** Collective. The failure of the first rank that has one. */
async function failureOnAny(world: World, opened: Opened | undefined): Promise<Failure | undefined> {
  const failure: Failure | null =
    opened !== undefined && 'error' in opened
      ? { rank: world.rank, exitCode: failureOf(opened.error).exitCode, message: messageOf(opened.error) }
      : null;
  const all = await world.gather(failure);
  return all.find((each) => each !== null) ?? undefined;
}

/** Waits for the trials of other ranks: those end later where a limit of time ends the search. */
export async function othersEnded(study: Study, signal: AbortSignal): Promise<void> {
  for (let waited = 0; !signal.aborted; waited += PACE) {
    const running = await study.running();
    if (!running.some(({ age }) => (age ?? waited) < GRACE)) return;
    await sleep(PACE);
  }
}

export function hasEnded(state: TrialState): boolean {
  return state !== 'running' && state !== 'waiting';
}

/** The trials of all ranks, each once when it has ended. */
export class News {
  private readonly told: Set<number>;

  constructor(private readonly study: Study) {
    this.told = new Set(this.ended().map(({ number }) => number));
  }

  take(): StudyTrial<unknown>[] {
    const news = this.ended().filter(({ number }) => !this.told.has(number));
    for (const { number } of news) this.told.add(number);
    return news;
  }

  private ended(): StudyTrial<unknown>[] {
    return this.study.trials.filter(({ state }) => hasEnded(state));
  }
}
