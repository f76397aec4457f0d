/** A command that runs on all ranks of a job: rank 0 decides and speaks, the others follow. */
import { join, type World } from '../distributed';
import { launcherOf } from '../distributed/launcher';
import type { Json } from '../settings';
import { failureOf, FirstRankFailed, UsageError } from './exit-codes';
import type { Session } from './session';

/**
 * Joins the ranks that a launcher started; undefined where it started one process, or there is no launcher.
 * From then on only rank 0 speaks. @throws DistributedError
 */
export async function joinJob({ output }: Session): Promise<World | undefined> {
  const launcher = launcherOf(process.env);
  if (launcher === undefined || launcher.size === 1) return undefined;
  const world = await join();
  if (world.rank > 0) output.mute(`rank ${world.rank}`);
  return world.size === 1 ? undefined : world;
}

/** @throws UsageError, which ends in the advice, where a launcher started several ranks for one process */
export function requireOneProcess(advice: string): void {
  const launcher = launcherOf(process.env);
  if ((launcher?.size ?? 1) === 1) return;
  throw new UsageError(`${launcher!.name} started ${launcher!.size} ranks${advice}`);
}

/** Whether this process speaks and writes. */
export function isFirst(world: World | undefined): boolean {
  return world === undefined || world.rank === 0;
}

/**
 * What rank 0 comes to, on all ranks. Collective.
 * @throws on rank 0 what `work` throws, on the others FirstRankFailed, after all have left the world
 */
export async function ofFirst<T extends Json>(world: World, work: () => Promise<T>): Promise<T> {
  if (world.rank > 0) {
    const [first] = await world.gather<{ value: T } | { exitCode: number } | null>(null);
    if (first !== null && first !== undefined && 'value' in first) return first.value;
    await world.leave();
    throw new FirstRankFailed(first?.exitCode ?? 1);
  }
  try {
    const value = await work();
    await world.gather({ value });
    return value;
  } catch (error) {
    await world.gather({ exitCode: failureOf(error).exitCode });
    await world.leave();
    throw error;
  }
}
