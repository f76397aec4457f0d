/** Scenarios that need a process of their own; test/native/lifecycle.test.ts says what each must do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Worker, isMainThread } from 'node:worker_threads';
import '../../../lib/compile/evaluate';
import { compile } from '../../../lib/compile/compile';
import * as native from '../../../lib/native';
import { matmul } from '../../../lib/ops';
import { tensor, type Tensor } from '../../../lib/tensor/tensor';
import { adder, noScalars } from '../helpers';

const n = 1 << 18;

function longRunning(size = n): native.ProgramHandle {
  return adder(native.allocate(4 * size), size, 1, { repeat: 20_000 });
}

function residentBytes(): number {
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4096;
}

function collect(): Promise<void> {
  global.gc?.();
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** The address space may grow by so many bytes from now on. */
function limitMemory(more: number): void {
  const pages = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]);
  execFileSync('prlimit', ['--pid', String(process.pid), `--as=${pages * 4096 + more}:`]);
}

/** A function of its own, so that nothing of it stays in a frame. */
async function oneModel(size: number): Promise<void> {
  await native.runProgram(adder(native.allocate(4 * size), size, 1), [], noScalars);
}

const scenarios: Record<string, () => unknown> = {
  /** process.exit() while a step runs, for a minute or longer, and more are queued. */
  exit() {
    const program = longRunning(1 << 22);
    for (let i = 0; i < 10; i++) void native.runProgram(program, [], noScalars);
    setTimeout(() => {
      console.log(`exiting at ${Date.now()}`);
      process.exit(3);
    }, 50);
  },

  /** Nothing pending: the process ends by itself. Something pending: it waits for it. */
  async drains() {
    const counter = native.allocate(4 * n);
    void native
      .runProgram(adder(counter, n, 1, { repeat: 200 }), [], noScalars)
      .then(() => console.log('settled', native.readBufferSync(counter, 0, 'f32', 1)[0]));
  },

  /** Dozens of workers load the addon first and go in the middle of a step; then the main thread trains. */
  async workers() {
    for (let i = 0; i < 36; i++) {
      const worker = new Worker(__filename, { argv: [i % 3 === 0 ? 'worker-exits' : 'worker-runs'] });
      const gone = new Promise((resolve) => worker.once('exit', resolve));
      if (i % 3 !== 0) {
        await new Promise((resolve) => worker.once('message', resolve));
        if (i % 3 === 1) await worker.terminate();
        else worker.postMessage('go');
      }
      await gone;
    }
    const counter = native.allocate(4 * n);
    const program = adder(counter, n, 1, { repeat: 3 });
    for (let i = 0; i < 5; i++) await native.runProgram(program, [], noScalars);
    console.log(
      JSON.stringify({ value: native.readBufferSync(counter, n * 4 - 4, 'f32', 1)[0], ...native.info() }),
    );
  },
  'worker-exits'() {
    void native.runProgram(longRunning(), [], noScalars);
    process.exit();
  },
  async 'worker-runs'() {
    const { parentPort } = await import('node:worker_threads');
    const running = native.runProgram(longRunning(), [], noScalars);
    running.catch(() => undefined);
    parentPort?.on('message', () => process.exit());
    parentPort?.postMessage('running');
  },

  /** Workers are ended while they wait inside a synchronous call: by terminate(), then by the process. */
  async 'synchronous-workers'() {
    const inside = async (): Promise<Worker> => {
      const worker = new Worker(__filename, { argv: ['worker-waits'] });
      await new Promise((resolve) => worker.once('message', resolve));
      await new Promise((resolve) => setTimeout(resolve, 20));
      return worker;
    };
    for (let i = 0; i < 5; i++) await (await inside()).terminate();
    console.log('alive');
    await inside();
    process.exit(0);
  },
  async 'worker-waits'() {
    const { parentPort } = await import('node:worker_threads');
    const counter = native.allocate(4 * n);
    const program = adder(counter, n, 1, { repeat: 300 });
    parentPort?.postMessage('running');
    for (;;) {
      native.runProgramSync(program, [], noScalars);
      native.readBufferSync(counter, 0, 'f32', n);
    }
  },

  /** Room for the copy of a result, but not for the array that JavaScript gets. */
  async large() {
    const size = 400 << 20;
    const buffer = native.allocate(size);
    native.readBufferSync(buffer, 0, 'u8', 1); // threads need room, too
    limitMemory(2 ** 40); // what starting a process takes is taken by now
    limitMemory(1.5 * size);
    const outcomes: unknown[] = [];
    const read = (): unknown => native.readBufferSync(buffer, 0, 'u8', size);
    await Promise.resolve()
      .then(read)
      .catch((error: Error) => outcomes.push(error.message));
    await native.readBuffer(buffer, 0, 'u8', size).catch((error: Error) => outcomes.push(error.message));
    outcomes.push((await native.readBuffer(buffer, 0, 'u8', 1000)).length);
    console.log(JSON.stringify(outcomes));
  },

  /** No room for the executor's thread, whose stack takes 2 MiB, and enough for what node itself takes. */
  async 'no-thread'() {
    const program = adder(native.allocate(64), 16, 1);
    const outcomes: unknown[] = [];
    const run = async (): Promise<unknown> =>
      native.runProgram(program, [], noScalars).then(
        ({ outputs }) => outputs[0]?.[0],
        (error: { code: string }) => error.code,
      );
    limitMemory(2 ** 40);
    limitMemory(1 << 20);
    outcomes.push(await run(), await run());
    limitMemory(2 ** 40);
    outcomes.push(await run());
    console.log(JSON.stringify(outcomes));
  },

  /** Results after a script has put its own things in the place of all that a result could be made with. */
  async replaced() {
    const size = 1 << 20; // elements; 4 MB
    const { ArrayBuffer: Original, Float32Array: Floats } = globalThis;
    const counter = native.allocate(4 * size);
    const program = adder(counter, size, 1);
    const { defineProperty, getPrototypeOf } = Object;
    const setter = { set: () => assert.fail('a setter was called'), configurable: true };
    defineProperty(Object.prototype, 'outputs', setter);
    defineProperty(Object.prototype, 'nonfinite', setter);
    for (const name of ['ArrayBuffer', 'Float32Array', 'Uint8Array', 'Promise', 'Object', 'Array']) {
      defineProperty(globalThis, name, { value: () => new Original(8), configurable: true });
    }
    for (const prototype of [Original.prototype, getPrototypeOf(Floats.prototype) as object]) {
      for (const name of ['byteLength', 'buffer', 'length', 'constructor', 'byteOffset']) {
        defineProperty(prototype, name, { get: () => 2 ** 40, configurable: true });
      }
    }
    const results = [
      native.runProgramSync(program, [], noScalars).outputs[0],
      (await native.runProgram(program, [], noScalars)).outputs[0],
      native.readBufferSync(counter, 0, 'f32', size),
    ];
    console.log(...results.map((array) => array?.[size - 1]));
  },

  /** Programs and buffers that are dropped give their memory back. */
  async memory() {
    const rounds: number[] = [];
    for (let round = 0; round < 30; round++) {
      await oneModel((1 << 20) + round * 4096);
      await collect();
      if (round >= 5) rounds.push(residentBytes());
    }
    await collect();
    await collect();
    await collect();
    console.log(JSON.stringify({ rounds, memory: native.info().memory }));
  },

  /** Ten thousand runs of one program. */
  async steps() {
    const program = adder(native.allocate(4096), 1024, 1, { repeat: 4 });
    const seen: number[] = [];
    for (let i = 0; i < 10_000; i++) {
      await native.runProgram(program, [], noScalars);
      if (i % 1000 === 999) {
        await collect();
        seen.push(residentBytes());
      }
    }
    console.log(JSON.stringify({ seen, memory: native.info().memory }));
  },

  /**
   * Runs that end faster than they are settled, each followed by another: how many end between two turns of
   * the event loop.
   */
  async turns() {
    const program = adder(native.allocate(64), 16, 1, { queue: 'predict' });
    let ended = 0;
    let most = 0;
    let before = 0;
    const call = async (): Promise<void> => {
      while (ended < 20_000) {
        await native.runProgram(program, [], noScalars);
        ended++;
      }
    };
    const turn = (): void => {
      most = Math.max(most, ended - before);
      before = ended;
      if (ended < 20_000) setImmediate(turn);
    };
    setImmediate(turn);
    await Promise.all(Array.from({ length: 8 }, call));
    console.log(JSON.stringify({ most }));
  },

  /** How many threads the process has once it has computed, and what an idle second costs. */
  async threads() {
    const before = readdirSync('/proc/self/task').length;
    const program = adder(native.allocate(4 * n), n, 1, { repeat: 50 });
    const predict = adder(native.allocate(4 * n), n, 1, { queue: 'predict' });
    for (let i = 0; i < 5; i++) {
      const runs = [program, predict].map((each) => native.runProgram(each, [], noScalars));
      native.runProgramSync(predict, [], noScalars);
      await Promise.all(runs);
    }
    const during = readdirSync('/proc/self/task').length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    const used = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { user, system } = process.cpuUsage(used);
    console.log(JSON.stringify({ extra: during - before, idleMs: (user + system) / 1000, ...native.info() }));
  },

  info() {
    console.log(JSON.stringify(native.info()));
  },

  /** Whether a product is the same in both precisions. */
  async precision() {
    const [a, b] = [1, 2].map((seed) =>
      tensor(
        Float32Array.from({ length: 64 * 64 }, (_, i) => Math.sin(seed * i)),
        [64, 64],
      ),
    );
    const product = async (precision: 'fp32' | 'bf16'): Promise<number[]> => {
      const run = compile((x: Tensor, y: Tensor) => matmul(x, y), { precision });
      return [...(await (await run(a!, b!)).data())];
    };
    const [fp32, bf16] = [await product('fp32'), await product('bf16')];
    const same = fp32.every((value, i) => value === bf16[i]);
    console.log(JSON.stringify({ path: native.info().bf16.path, same }));
  },
};

const name = isMainThread ? process.argv[2] : process.argv.at(-1);
void scenarios[name ?? '']?.();
