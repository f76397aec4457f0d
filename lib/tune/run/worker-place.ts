/** A worker process, started anew when it died. */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { DataError, OptionError } from '../../errors';
import { messageOf } from '../../options';
import type { FromWorker, Request, ToWorker } from './messages';
import type { Ended, Place } from './place';
import type { Recorder, TrialFacts } from './trial';

/** Deaths in a row, before a worker got ready, after which the search ends. */
const MOST_DEATHS = 5;
/** Milliseconds between being asked to end and being killed. */
const PATIENCE = 10_000;
const LAST_WORDS = 1000;
/** Milliseconds between two looks at whether a worker that is not ready yet is still wanted. */
const WATCH = 100;

export interface WorkerSettings {
  /** The URL of the objective's module. */
  readonly module: string;
  readonly directions: number;
  /** Threads of its kernels. */
  readonly threads: number;
}

export class WorkerPlace<P> implements Place<P> {
  private child: ChildProcess | undefined;
  private deaths = 0;

  constructor(
    private readonly recorder: Recorder,
    private readonly settings: WorkerSettings,
  ) {}

  async ready(isWanted: () => boolean): Promise<void> {
    while (!isAlive(this.child) && isWanted()) await this.start(isWanted);
  }

  async perform(facts: TrialFacts<P>, signal: AbortSignal): Promise<Ended> {
    const { child } = this;
    if (child === undefined || !isAlive(child)) return { state: 'lost', error: deathOf(child) };
    let killer: NodeJS.Timeout | undefined;
    const abort = (): void => {
      tell(child, { type: 'abort', reason: messageOf(signal.reason) });
      killer ??= setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    };
    let hear: ((message: FromWorker) => void) | undefined;
    let end: (() => void) | undefined;
    try {
      return await new Promise<Ended>((resolve) => {
        hear = (message) => {
          if (message.type === 'ended') resolve(message.outcome);
          else if (message.type === 'report' || message.type === 'note')
            void this.answer(child, facts.number, message);
        };
        end = () => resolve({ state: 'lost', error: deathOf(child) });
        child.on('message', hear).on('exit', end);
        tell(child, { type: 'run', facts });
        signal.addEventListener('abort', abort);
        if (signal.aborted) abort();
      });
    } finally {
      clearTimeout(killer);
      signal.removeEventListener('abort', abort);
      if (hear !== undefined) child.off('message', hear);
      if (end !== undefined) child.off('exit', end);
    }
  }

  close(): void {
    const { child } = this;
    if (child === undefined || !isAlive(child)) return;
    if (child.connected) child.disconnect();
    const killer = setTimeout(() => child.kill('SIGKILL'), LAST_WORDS);
    child.once('exit', () => clearTimeout(killer));
  }

  /** @throws OptionError for a module without an objective, DataError for workers that die at once */
  private async start(isWanted: () => boolean): Promise<void> {
    const { module, directions, threads } = this.settings;
    const child = fork(join(__dirname, 'worker.js'), [], {
      env: { ...process.env, TENON_NUM_THREADS: String(threads) },
      serialization: 'advanced', // NaN and infinities arrive as they are
    });
    this.child = child;
    // The module may never come to its end.
    const watch = setInterval(() => {
      if (!isWanted()) child.kill('SIGKILL');
    }, WATCH);
    const first = await new Promise<FromWorker | undefined>((resolve, reject) => {
      child.once('message', resolve).once('exit', () => resolve(undefined));
      child.on('error', (error) =>
        reject(new DataError(`study.run: no worker can be started: ${messageOf(error)}`, { cause: error })),
      );
      tell(child, { type: 'open', module, directions });
    }).finally(() => clearInterval(watch));
    if (!isWanted()) return;
    if (first?.type === 'broken')
      throw new OptionError(`study.run: the objective ${module} cannot be used: ${first.error}`);
    this.deaths = first === undefined ? this.deaths + 1 : 0;
    if (this.deaths === MOST_DEATHS)
      throw new DataError(
        `study.run: ${MOST_DEATHS} workers in a row ended before they were ready; the last: ${deathOf(child)}`,
      );
  }

  private async answer(child: ChildProcess, trial: number, request: Request): Promise<void> {
    const { id } = request;
    try {
      if (request.type === 'note') await this.recorder.note(trial, request.key, request.value);
      const reason =
        request.type === 'report'
          ? await this.recorder.report(trial, request.step, request.value)
          : undefined;
      tell(child, { type: 'reply', id, ...(reason === undefined ? {} : { reason }) });
    } catch (error) {
      tell(child, { type: 'reply', id, error: messageOf(error) });
    }
  }
}

function isAlive(child: ChildProcess | undefined): boolean {
  return child !== undefined && child.exitCode === null && child.signalCode === null;
}

function deathOf(child: ChildProcess | undefined): string {
  const signal = child?.signalCode;
  return typeof signal === 'string'
    ? `its worker was ended by ${signal}`
    : `its worker exited with code ${child?.exitCode ?? 'unknown'}`;
}

/** A worker that has died hears nothing, and its `exit` says so. */
function tell(child: ChildProcess, message: ToWorker): void {
  if (child.connected) child.send(message, () => undefined);
}
