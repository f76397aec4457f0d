/**
 * The program of a worker process: runs the trials that the search sends it, one at a time. It has no log of
 * its own: reports and notes go to the search's process, and it does not outlive that.
 */
import { Worker } from 'node:worker_threads';
import { AbortedError, OptionError } from '../../errors';
import { defaultFunction } from '../../files/modules';
import { messageOf } from '../../options';
import type { FromWorker, Request, ToWorker } from './messages';
import { outcomeOf, type Objective } from './objective';
import { Trial, type Recorder, type TrialFacts } from './trial';

type Answer = Extract<ToWorker, { type: 'reply' }>;
type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never;

/**
 * An objective that computes without pause never hears that its parent has died, so a thread looks. Such a
 * process is killed after 2 seconds.
 */
const WATCH = `
  const parent = process.ppid;
  const hasEnded = () => {
    // Windows does not give the process another parent.
    try {
      process.kill(parent, 0);
    } catch (error) {
      if (error.code === 'ESRCH') return true;
    }
    return process.ppid !== parent;
  };
  setInterval(() => {
    if (hasEnded()) setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1000);
  }, 1000);
`;

class WorkerProcess {
  private objective: Objective<unknown> | undefined;
  private directions = 1;
  private controller = new AbortController();
  private requests = 0;
  private readonly waiting = new Map<number, (answer: Answer) => void>();

  take(message: ToWorker): void {
    if (message.type === 'open') void this.open(message.module, message.directions);
    else if (message.type === 'run') void this.run(message.facts);
    else if (message.type === 'abort') this.controller.abort(new AbortedError(message.reason));
    else this.waiting.get(message.id)?.(message);
  }

  private async open(module: string, directions: number): Promise<void> {
    try {
      this.objective = (await defaultFunction(module)) as Objective<unknown>;
      this.directions = directions;
      send({ type: 'ready' });
    } catch (error) {
      send({ type: 'broken', error: messageOf(error) });
    }
  }

  private async run(facts: TrialFacts<unknown>): Promise<void> {
    if (this.objective === undefined) return;
    this.controller = new AbortController();
    const recorder: Recorder = {
      report: async (_, step, value) => (await this.ask({ type: 'report', step, value })).reason,
      note: async (_, key, value) => void (await this.ask({ type: 'note', key, value })),
    };
    const trial = new Trial(recorder, facts, this.controller.signal);
    send({ type: 'ended', outcome: await outcomeOf(this.objective, trial, this.directions) });
  }

  private async ask(request: Unnumbered<Request>): Promise<Answer> {
    const id = this.requests++;
    const answer = await new Promise<Answer>((resolve) => {
      this.waiting.set(id, resolve);
      send({ ...request, id });
    });
    this.waiting.delete(id);
    if (answer.error !== undefined) throw new OptionError(answer.error);
    return answer;
  }
}

function send(message: FromWorker): void {
  process.send?.(message);
}

// Ctrl-C reaches all processes of a terminal; the search's process decides what follows.
process.on('SIGINT', () => undefined);
process.once('disconnect', () => process.exit(1));
new Worker(WATCH, { eval: true }).unref();
const worker = new WorkerProcess();
process.on('message', (message: ToWorker) => worker.take(message));
