/** examples/queue: training jobs from a queue in Redis, with workers and trainings that die. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { models } from '../../lib';
import { installExample } from '../support/example';
import { hasRedis, RedisServer, why } from '../support/redis-server';

const built = existsSync(join(__dirname, '..', '..', 'dist', 'index.mjs'));
const because = built ? why : ' (skipped: dist/ is missing: npm run build:ts)';
const describeReady = hasRedis && built ? describe : describe.skip;

/** Long enough that a worker on a busy machine renews its lock in time. */
const LOCK_SECONDS = 4;

/** What `cli.mjs status ID` prints. */
interface Status {
  readonly state: string;
  readonly attemptsMade: number;
  readonly progress: { readonly epoch: number; readonly validationAccuracy: number };
  readonly failedReason?: string;
  readonly returnvalue: { readonly accuracy: number; readonly model: string; readonly sha256: string };
  readonly logs: readonly string[];
}

describeReady(`examples/queue${because}`, () => {
  jest.setTimeout(240_000);
  let redis: RedisServer;
  let folder: string;
  let worker: Worker;

  /** A worker whose jobs are taken to be abandoned after so many seconds without a sign of life. */
  class Worker {
    readonly child: ChildProcess;
    text = '';
    constructor(concurrency = 1) {
      const settings = {
        LOCK_SECONDS: String(LOCK_SECONDS),
        CONCURRENCY: String(concurrency),
        RUNS: join(folder, 'runs'),
      };
      const env = { ...process.env, REDIS_URL: redis.url, ...settings };
      this.child = spawn(process.execPath, ['worker.mjs'], { cwd: folder, env });
      for (const stream of [this.child.stdout, this.child.stderr])
        stream?.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    }

    /** Waits for a line. */
    async says(pattern: RegExp): Promise<RegExpExecArray> {
      for (const end = Date.now() + 120_000; Date.now() < end;) {
        const match = pattern.exec(this.text);
        if (match) return match;
        await new Promise((done) => setTimeout(done, 20));
      }
      throw new Error(`${pattern} was not said:\n${this.text}`);
    }

    async end(signal: NodeJS.Signals): Promise<number | null> {
      if (this.child.exitCode === null && this.child.signalCode === null) {
        this.child.kill(signal);
        await once(this.child, 'exit');
      }
      return this.child.exitCode;
    }

    /** The last process that trains a job. */
    pid(id: string): number {
      return Number([...this.text.matchAll(new RegExp(`${id}: process (\\d+)`, 'g'))].at(-1)?.[1]);
    }
  }

  function cli(...args: string[]): { readonly out: string; readonly error: string; readonly code: number } {
    const env = { ...process.env, REDIS_URL: redis.url };
    const child = spawnSync(process.execPath, ['cli.mjs', ...args], { cwd: folder, env, encoding: 'utf8' });
    return { out: child.stdout.trim(), error: child.stderr.trim(), code: child.status ?? -1 };
  }

  async function gone(pid: number): Promise<void> {
    for (let i = 0; i < 600 && existsSync(`/proc/${pid}`); i++)
      await new Promise((done) => setTimeout(done, 50));
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  }

  const statusOf = (id: string): Status => JSON.parse(cli('status', id).out) as Status;
  const add = (...settings: string[]): string => cli('add', ...settings).out;
  /** A second or two of work, of which tests interrupt the first half. */
  const EPOCHS = 10;
  const SHORT = [
    ...['--model', 'lenet5', '--learningRate', '0.003', '--seed', '7'],
    ...['--epochs', String(EPOCHS), '--samples', '1500'],
  ];
  const LONG = ['--epochs', '1000', '--samples', '1000'];
  const inFolder = (id: string, name: string): string => join(folder, 'runs', id, name);

  beforeAll(async () => {
    redis = await RedisServer.start();
    folder = installExample('queue');
    worker = new Worker();
  });
  afterAll(async () => {
    await worker?.end('SIGKILL');
    await redis?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  let wanted: string;

  it('trains a job, and tells of each epoch', async () => {
    const id = add(...SHORT);
    await worker.says(new RegExp(`${id}: completed`));
    const { state, progress, returnvalue, logs } = statusOf(id);
    expect([state, progress.epoch]).toEqual(['completed', EPOCHS]);
    expect(returnvalue.accuracy).toBeGreaterThan(0.9);
    expect(logs.filter((line) => line.startsWith('epoch'))).toHaveLength(EPOCHS);
    const { epochs } = JSON.parse(readFileSync(inFolder(id, 'history.json'), 'utf8')) as {
      epochs: readonly unknown[];
    };
    expect(epochs).toHaveLength(EPOCHS);
    await models.lenet5().load(returnvalue.model);
    expect(existsSync(inFolder(id, 'checkpoints'))).toBe(false);
    wanted = returnvalue.sha256;
  });

  it('goes on after kill -9 of a training, and ends with the same bits', async () => {
    const id = add(...SHORT);
    await worker.says(new RegExp(`${id}: epoch 3`));
    process.kill(worker.pid(id), 'SIGKILL');
    await worker.says(new RegExp(`${id}: completed`));
    const { attemptsMade, logs, returnvalue } = statusOf(id);
    expect(attemptsMade).toBe(2);
    expect(logs).toContainEqual(expect.stringMatching(/^went on after step [1-9]/));
    expect(returnvalue.sha256).toBe(wanted);
  });

  it('goes on after SIGTERM and after kill -9 of a worker, and ends with the same bits', async () => {
    const id = add(...SHORT);
    await worker.says(new RegExp(`${id}: epoch 1`));
    expect(await worker.end('SIGTERM')).toBe(0);
    expect(statusOf(id)).toMatchObject({ state: 'waiting', attemptsMade: 0 });

    worker = new Worker();
    await worker.says(new RegExp(`${id}: went on after step [1-9]`));
    await worker.says(new RegExp(`${id}: epoch 4`));
    await worker.end('SIGKILL');

    worker = new Worker();
    await worker.says(new RegExp(`${id}: its worker died`));
    await worker.says(new RegExp(`${id}: completed`));
    expect(statusOf(id).returnvalue.sha256).toBe(wanted);
  });

  it('keeps the lock of a job, and cancels it and one that waits', async () => {
    const [first, second] = [add(...LONG), add(...LONG)];
    await worker.says(new RegExp(`${first}: epoch 1`));
    // Longer than a lock lasts. Training steps do not run on the event loop, so that it is renewed.
    await new Promise((done) => setTimeout(done, 1500 * LOCK_SECONDS));
    expect(worker.text).not.toMatch(new RegExp(`${first}: (its worker died|the lock)`));
    expect(cli('cancel', second).out).toBe(`${second} removed`);
    expect(cli('cancel', first).out).toBe(`${first} told to stop`);
    await worker.says(new RegExp(`${first}: failed: cancelled`));
    expect(statusOf(first)).toMatchObject({ state: 'failed', attemptsMade: 1, failedReason: 'cancelled' });
    expect(existsSync(inFolder(first, 'checkpoints'))).toBe(false);
    expect(cli('cancel', first).out).toBe(`${first} has failed already`);
    expect(cli('status', second)).toMatchObject({ code: 1, error: `there is no job "${second}"` });
    await gone(worker.pid(first));
  });

  it('refuses settings that are wrong', () => {
    expect(cli('add', '--model', 'lenett')).toMatchObject({
      code: 1,
      out: '',
      error: 'job: model must be one of lenet, lenet5, resnet20, got "lenett"',
    });
    expect(cli('add', '--epochs', '0').error).toMatch(/epochs must be a whole number from 1 to 1000, got 0/);
    expect(cli('add', '--seed', 'x').error).toMatch(/seed must be a whole number .* got "x"/);
  });

  it('fails jobs that cannot be trained, once, and goes on', async () => {
    const missing = add('--dataset', 'mnist');
    const queue = new Queue('trainings', { connection: { url: redis.url } });
    const raw = [null, [], { settings: { model: '__proto__' } }, { settings: { epochs: 1e9 } }];
    for (const [i, job] of raw.entries()) await queue.add('train', job, { jobId: `raw${i}`, attempts: 3 });
    await queue.add('train', { settings: {} }, { jobId: '..' });
    const last = add('--epochs', '1', '--samples', '200', '--model', 'lenet5');
    await worker.says(new RegExp(`${last}: completed`));
    const ends = await Promise.all(
      [missing, ...raw.keys(), '..'].map(async (id) => {
        const job = await queue.getJob(typeof id === 'number' ? `raw${id}` : id);
        return [job?.failedReason, job?.attemptsMade];
      }),
    );
    await queue.close();
    expect(ends).toEqual([
      [expect.stringMatching(/^ERR_TENON_DATA: mnist: directory .* does not exist/), 1],
      ['ERR_TENON_OPTION: job: settings must be an object', 1],
      ['ERR_TENON_OPTION: job: settings must be an object', 1],
      [expect.stringMatching(/^ERR_TENON_OPTION: job: model must be one of .*"__proto__"/), 1],
      [expect.stringMatching(/^ERR_TENON_OPTION: job: epochs must be .* got 1000000000/), 1],
      ['ERR_TENON_OPTION: the id names no folder', 1],
    ]);
  });

  it('survives a Redis that goes away and comes back without its data', async () => {
    const id = add(...LONG);
    await worker.says(new RegExp(`${id}: epoch 1`));
    await redis.kill();
    const begun = Date.now();
    expect(cli('add')).toMatchObject({ code: 1, error: expect.stringMatching(/ECONNREFUSED/) as string });
    expect(Date.now() - begun).toBeLessThan(30_000);
    await worker.says(/redis: .*ECONNREFUSED/);
    await redis.start();
    await worker.says(new RegExp(`${id}: the lock of the job was lost`));
    await gone(worker.pid(id));
    const next = add('--epochs', '1', '--samples', '200', '--model', 'lenet5');
    await worker.says(new RegExp(`${next}: completed`));
    expect(await worker.end('SIGTERM')).toBe(0);
  });

  it('trains two jobs at once, each to the bits that it has alone, and ends one without the other', async () => {
    await worker.end('SIGTERM');
    worker = new Worker(2);
    const [first, second, third] = [add(...LONG), add(...LONG), add(...SHORT)];
    for (const id of [first, second]) await worker.says(new RegExp(`${id}: epoch 1`));
    expect(statusOf(third).state).toBe('waiting');

    expect(cli('cancel', first).out).toBe(`${first} told to stop`);
    await worker.says(new RegExp(`${first}: failed: cancelled`));
    await worker.says(new RegExp(`${third}: completed`));
    expect(statusOf(third).returnvalue.sha256).toBe(wanted);
    expect(statusOf(second)).toMatchObject({ state: 'active', attemptsMade: 0 });

    const fourth = add(...LONG);
    await worker.says(new RegExp(`${fourth}: epoch 1`));
    const [killed, spared] = [worker.pid(second), worker.pid(fourth)];
    process.kill(killed, 'SIGKILL');
    await worker.says(new RegExp(`${second}: went on after step [1-9]`));
    expect([worker.pid(second) === killed, worker.pid(fourth)]).toEqual([false, spared]);

    expect(await worker.end('SIGTERM')).toBe(0);
    const states = [second, fourth].map((id) => [statusOf(id).state, statusOf(id).attemptsMade]);
    expect(states).toEqual([
      ['waiting', 1],
      ['waiting', 0],
    ]);
    for (const id of [second, fourth]) {
      await gone(worker.pid(id));
      expect(existsSync(inFolder(id, 'checkpoints'))).toBe(true);
    }
  });
});
