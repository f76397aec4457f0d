/** Worker threads that take images through the function of a user's module. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { messageOf } from '../options';
import { ImageFault, type CustomImages } from './custom-images';
import type { Failed, FromWorker, ToWorker, WorkerStart } from './custom-messages';

/** How often a worker is looked at within the time after which it counts as stuck. */
const LOOKS = 4;

export interface PoolOptions {
  /** The URL of the module. */
  readonly module: string;
  readonly workers: number;
  /** Milliseconds in which a worker must get further. */
  readonly timeoutMs: number;
}

/** Why no worker of a module can take images. */
export class LoadFault extends Error {}

export class CustomPool {
  private workers: PoolWorker[] | undefined;

  constructor(private readonly options: PoolOptions) {}

  /**
   * Divides the images among the workers, which change them in place: `pixels` lie in shared memory. The
   * first call starts the workers.
   * @throws ImageFault for the first image that cannot be changed; LoadFault
   */
  async change(images: CustomImages): Promise<void> {
    this.workers ??= Array.from({ length: this.options.workers }, () => new PoolWorker(this.options));
    const count = images.samples.length;
    const share = Math.ceil(count / this.workers.length);
    const parts = this.workers
      .map((worker, i) => ({ worker, begin: i * share, end: Math.min(count, (i + 1) * share) }))
      .filter(({ begin, end }) => begin < end);
    const results = await Promise.allSettled(
      parts.map(({ worker, begin, end }) => worker.change(partOf(images, begin, end), begin)),
    );
    // The first in the batch, whichever came first.
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** Ends the workers, whatever they do. */
  async close(): Promise<void> {
    const { workers = [] } = this;
    this.workers = undefined;
    await Promise.all(workers.map((worker) => worker.end(new LoadFault('its workers have ended'))));
  }
}

function partOf(images: CustomImages, begin: number, end: number): CustomImages {
  const size = images.pixels.length / images.samples.length;
  return {
    ...images,
    pixels: images.pixels.subarray(begin * size, end * size),
    samples: images.samples.slice(begin, end),
    occurrence: images.occurrence?.slice(begin, end),
  };
}

/** Images that a worker has, and who waits for them. */
interface Job {
  /** The place of the first one in its batch. */
  readonly first: number;
  /** One number: how many of them the worker has begun. */
  readonly begun: Int32Array;
  readonly resolve: () => void;
  readonly reject: (fault: Error) => void;
}

class PoolWorker {
  private readonly worker: Worker;
  private readonly jobs: Job[] = [];
  private loaded = false;
  private fault: Error | undefined;
  private readonly watch: NodeJS.Timeout;

  constructor({ module, timeoutMs }: PoolOptions) {
    const workerData: WorkerStart = { module };
    this.worker = new Worker(join(__dirname, 'custom-worker.js'), { workerData });
    this.worker.on('message', (message: FromWorker | null) => this.hear(message));
    this.worker.on('error', (error) => this.fail(messageOf(error)));
    this.worker.on('exit', (code) => this.fail(`its worker exited with code ${code}`));
    this.worker.unref();
    this.watch = this.watchFor(timeoutMs);
  }

  change(images: CustomImages, first: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.fault !== undefined) return reject(this.fault);
      const begun = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
      this.jobs.push({ first, begun, resolve, reject });
      // A worker that has nothing to do does not keep the process alive.
      this.worker.ref();
      this.worker.postMessage({ ...images, begun } satisfies ToWorker);
    });
  }

  /** Ends the worker, whatever it does. */
  async end(fault: Error): Promise<void> {
    clearInterval(this.watch);
    this.fault ??= fault;
    for (const { reject } of this.jobs.splice(0)) reject(this.fault);
    await this.worker.terminate();
  }

  /** The user's module may post messages of its own, which mean nothing here. */
  private hear(message: FromWorker | null): void {
    if (message?.type === 'loaded') this.loaded = true;
    else if (message?.type === 'broken') void this.end(new LoadFault(message.problem));
    else if (message?.type === 'done') this.settle(({ resolve }) => resolve());
    else if (message?.type === 'failed') this.settle(({ reject, first }) => reject(faultOf(message, first)));
  }

  private settle(answer: (job: Job) => void): void {
    const job = this.jobs.shift();
    if (job === undefined) return;
    if (this.jobs.length === 0) this.worker.unref();
    answer(job);
  }

  /** The worker gets no further. Names the image that it is at. */
  private fail(problem: string): void {
    const [job] = this.jobs;
    const at = job === undefined ? 0 : job.first + Math.max(0, Atomics.load(job.begun, 0) - 1);
    const fault = this.loaded
      ? new ImageFault(at, problem)
      : new LoadFault(`${problem} before it had loaded the module`);
    void this.end(fault);
  }

  private watchFor(timeoutMs: number): NodeJS.Timeout {
    let seen: readonly [Job | undefined, number] = [undefined, 0];
    let looks = 0;
    const look = (): void => {
      const [job] = this.jobs;
      const now = [job, job === undefined ? 0 : Atomics.load(job.begun, 0)] as const;
      const waits = this.loaded && job === undefined;
      looks = waits || now[0] !== seen[0] || now[1] !== seen[1] ? 0 : looks + 1;
      seen = now;
      if (looks > LOOKS) this.fail(`its worker got no further for ${timeoutMs} ms`);
    };
    return setInterval(look, timeoutMs / LOOKS).unref();
  }
}

function faultOf({ index, problem, stack }: Failed, first: number): ImageFault {
  const cause = stack === undefined ? undefined : Object.assign(new Error(problem), { stack });
  return new ImageFault(first + index, problem, cause);
}
