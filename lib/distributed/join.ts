/** Joining: finding the launcher and its MPI, once per process. */
import { hostname } from 'node:os';
import { BusyError, DistributedError, TenonError } from '../errors';
import { proposeThreads } from '../native';
import { joinWorld, type Membership } from '../native/world';
import { checkKeys, messageOf, positive } from '../options';
import { bindingProblem, placeOfThis, threadShare } from './binding';
import { launcherOf, type Launcher } from './launcher';
import { librariesFor } from './libraries';
import { World } from './world';

export interface JoinOptions {
  /**
   * Seconds that a rank has to come to an operation in which others wait for it, as long as its process
   * lives; then the job ends with an error that names it. Default 60.
   */
  readonly timeout?: number;
  /** Seconds without an answer after which a process counts as hanging. Default 5. */
  readonly answerTimeout?: number;
}

let joined = false;

/**
 * Joins the job that this process is a part of. Under a launcher (`mpirun`, `mpiexec`, `srun`), MPI is loaded
 * and initialized, on a thread of its own; TENON_MPI names the library, where the one that belongs to the
 * launcher is not found by itself. Ranks of one host share its cores: where neither a variable nor the
 * program chose the number of threads, each rank gets its part. A process warning of code WARN_TENON_BINDING
 * says, on rank 0, where the launcher bound ranks to fewer cores than they could use. Without a launcher, the
 * result is a world of one, which needs no MPI.
 * @throws DistributedError where no library can be used, or the launcher started more ranks than it knows of
 * @throws BusyError for a second call: a process joins once
 */
export async function join(options: JoinOptions = {}): Promise<World> {
  checkKeys('distributed.join', options, ['timeout', 'answerTimeout']);
  const arrival = positive('distributed.join', 'timeout', options.timeout ?? 60);
  const answer = positive('distributed.join', 'answerTimeout', options.answerTimeout ?? 5);
  if (joined) throw new BusyError('distributed.join: this process has joined before; it joins only once');
  joined = true;
  const launcher = launcherOf(process.env);
  const membership = await enter(launcher, { size: launcher?.size ?? 0, answer, arrival }).catch(
    (error: unknown) => {
      joined = false;
      throw error;
    },
  );
  const world = new World(membership, hostname(), arrival);
  if (launcher) await settle(world);
  // Launchers report a rank that ends without leaving. After an error they should: they end the others.
  process.once('beforeExit', () => {
    if (!process.exitCode) void world.leave().catch(() => undefined);
  });
  return world;
}

/** The ranks of a host share its cores. Warns of a launcher that left some of them to nobody. */
async function settle(world: World): Promise<void> {
  const places = await world.gather(placeOfThis(world.hosts[world.rank]!));
  const share = threadShare(places, world.rank);
  if (share !== undefined) proposeThreads(share.threads, share.reason);
  const problem = bindingProblem(places);
  if (problem !== undefined && world.rank === 0) process.emitWarning(problem, { code: 'WARN_TENON_BINDING' });
}

async function enter(
  launcher: Launcher | undefined,
  options: { readonly size: number; readonly answer: number; readonly arrival: number },
): Promise<Membership> {
  quieten(launcher);
  try {
    return await joinWorld(launcher ? librariesFor(launcher.family, process.env) : [], options);
  } catch (error) {
    if (!(error instanceof TenonError) || !launcher) throw error;
    const help = 'TENON_MPI=FILE names the library to use';
    throw new DistributedError(
      `distributed.join: started by ${launcher.name}: ${messageOf(error)}\n${help}`,
      { cause: error },
    );
  }
}

/**
 * What libraries do to a process beyond carrying bytes. UCX takes SIGSEGV, by which V8 makes errors of
 * faults. Its watch over the memory of the process begins with a test that moves the end of the heap, and
 * loses a page where another thread allocates meanwhile. Open MPI warns of child processes, which here only
 * replace their program; and on one TCP connection, its answers to a sender wait behind what it sends itself.
 */
function quieten(launcher: Launcher | undefined): void {
  if (!launcher) return;
  process.env.UCX_ERROR_SIGNALS ??= '';
  process.env.UCX_MEM_EVENTS ??= 'no';
  process.env.OMPI_MCA_mpi_warn_on_fork ??= '0';
  process.env.OMPI_MCA_btl_tcp_links ??= '2';
}
