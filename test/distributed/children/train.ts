/**
 * One rank of a training, started by mpirun: `node -r register.js train.ts CASE...`. Prints a line of JSON
 * for each case: what it returned, or the error that it threw.
 */
import { writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import '../../../lib/compile/evaluate';
import * as augment from '../../../lib/augment';
import { Dataset } from '../../../lib/data';
import { join, type World } from '../../../lib/distributed';
import { crossEntropy, focal } from '../../../lib/losses';
import * as nn from '../../../lib/nn';
import * as optim from '../../../lib/optim';
import {
  checkpoint,
  earlyStopping,
  type FitControl,
  type FitOptions,
  type History,
  type StreamBatch,
  type TrainerOptions,
} from '../../../lib/train';
import { smallNet, smallTrainer, someGlyphs, weightsDigest } from '../../train/helpers';

export interface Case {
  readonly model?: () => nn.Module;
  /** Default: glyphs, in batches of 32, and the same glyphs as validation set. */
  readonly stream?: () => StreamBatch[];
  readonly options?: () => Partial<TrainerOptions>;
  readonly fit?: Partial<FitOptions>;
}

const rates = { lr: 0.02, momentum: 0.9, weightDecay: 1e-3 };

function wideNet(): nn.Module {
  return nn.sequential(
    nn.flatten(),
    nn.linear(784, 1400),
    nn.batchNorm1d(1400),
    nn.relu(),
    nn.linear(1400, 800),
    nn.relu(),
    nn.linear(800, 10),
  );
}

/** Trainings that have the same bits on any number of ranks. */
export const CASES: Readonly<Record<string, Case>> = {
  plain: {},
  bf16: { options: () => ({ precision: 'bf16' }) },
  accumulated: {
    options: () => ({ optimizer: optim.sgd({ ...rates, clipNorm: 0.5 }) }),
    fit: { accumulate: 3 },
  },
  // Batch norm sees all shards: the ranks exchange statistics in the middle of a pass.
  synced: {
    options: () => ({
      optimizer: optim.sgd({ ...rates, clipNorm: 0.5 }),
      augment: [augment.flip({ p: 0.2 }), augment.mixup()],
      syncBatchNorm: true,
    }),
    fit: { accumulate: 3 },
  },
  mixed: { options: () => ({ augment: [augment.flip({ p: 0.2 }), augment.mixup()] }) },
  lars: { options: () => ({ optimizer: optim.lars(rates) }) },
  // Of several buckets, which are exchanged while backward goes on.
  wide: {
    model: wideNet,
    options: () => ({ precision: 'bf16' }),
    fit: { accumulate: 2, epochs: 1 },
  },
  syncedWide: {
    model: wideNet,
    options: () => ({ precision: 'bf16', syncBatchNorm: true }),
    fit: { epochs: 1 },
  },
  // Samples of weights, of which a shard may have none that counts.
  stream: {
    model: () => nn.sequential(nn.flatten(), nn.linear(36, 8), nn.tanh(), nn.dropout(0.3), nn.linear(8, 4)),
    stream: () =>
      [10, 9, 13].map((size) => ({
        inputs: {
          data: Float32Array.from({ length: size * 36 }, (_, i) => Math.sin(i * i)),
          shape: [size, 1, 6, 6],
        },
        targets: { data: Int32Array.from({ length: size }, (_, i) => (i * 7) % 4), shape: [size] },
        weights: { data: Float32Array.from({ length: size }, (_, i) => (i < 3 ? 0 : i)), shape: [size] },
      })),
    options: () => ({ augment: [], schedule: () => 1 }),
    fit: { callbacks: [earlyStopping({ metric: 'trainLoss', patience: 1 })] },
  },
  averaged: {
    options: () => ({
      optimizer: optim.lamb({ lr: 0.01, weightDecay: 0.01 }),
      average: optim.ema({ decay: 0.9 }),
    }),
  },
};

/** What is the same on any number of ranks: a digest of the weights, and the figures of epochs. */
export interface Trained {
  readonly digest: string;
  readonly figures: readonly object[];
  readonly stopped: string;
}

export function figuresOf({ epochs }: History): object[] {
  return epochs.map(({ imagesPerSecond: _, dataWaitMs: __, seconds: ___, ...figures }) => figures);
}

export async function train(
  { model = smallNet, stream, options, fit }: Case,
  more: Partial<TrainerOptions>,
  moreFit: Partial<FitOptions> = {},
): Promise<Trained> {
  const trainer = smallTrainer(model(), { shards: 4, ...options?.(), ...more });
  const data = stream?.() ?? (await someGlyphs());
  const history = await trainer.fit(data, {
    epochs: 2,
    ...(data instanceof Dataset && { batchSize: 32, validation: { data, batchSize: 50 } }),
    ...fit,
    ...moreFit,
  });
  return {
    digest: await weightsDigest(trainer.model),
    figures: figuresOf(history),
    stopped: history.stopped,
  };
}

async function run(name: string, world: World): Promise<unknown> {
  const known = CASES[name];
  if (known) return train(known, { world });
  const [kind, argument = ''] = name.split('=');
  const special = SPECIAL[kind ?? ''];
  if (!special) throw new Error(`no case ${name}`);
  return special(world, argument);
}

const second = ({ rank }: World) => rank === 1;

/** What went wrong, in words that are the same on all machines. */
async function failureOf(work: () => PromiseLike<unknown>): Promise<object> {
  try {
    await work();
    return { code: 'none' };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { code, message: message.replaceAll(`(${hostname()})`, '(host)') };
  }
}

const plain = (more: Partial<TrainerOptions>, fit: Partial<FitOptions> = {}) => train({}, more, fit);

/** Each by a word, and perhaps `=ARGUMENT`. */
const SPECIAL: Readonly<Record<string, (world: World, argument: string) => Promise<unknown>>> = {
  save: (world, directory) =>
    train(CASES.synced!, { world }, { maxSteps: 4, callbacks: [checkpoint(directory, { everySteps: 2 })] }),
  resume: async (world, resume) => {
    const { options, fit } = CASES.synced!;
    // It keeps the shards and the batch norm of the run that it resumes.
    const { syncBatchNorm: _, ...others } = options!();
    const trainer = smallTrainer(smallNet(), { ...others, world });
    await trainer.fit(await someGlyphs(), { epochs: 2, batchSize: 32, ...fit, resume });
    return weightsDigest(trainer.model);
  },
  // Rank 1 is told apart.
  disagree: async (world) => [
    await failureOf(() => plain({ world }, { batchSize: second(world) ? 16 : 32 })),
    await failureOf(() => plain({ world, optimizer: optim.sgd({ lr: second(world) ? 0.1 : 0.2 }) })),
    await failureOf(async () => {
      const model = smallNet();
      if (second(world)) model.replaceHead(nn.linear(4 * 7 * 7, 11));
      await smallTrainer(model, { world }).fit(await someGlyphs(), { epochs: 1 });
    }),
    await failureOf(() =>
      plain({ world, loss: crossEntropy({ labelSmoothing: second(world) ? 0.1 : 0.2 }) }),
    ),
    await failureOf(() => plain({ world, loss: second(world) ? focal() : crossEntropy() })),
    await failureOf(() => plain({ world }, { resume: '/nowhere' })),
    await failureOf(() => plain({ world, syncBatchNorm: second(world) })),
  ],
  rules: async (world) => {
    const data = await someGlyphs();
    const running = smallTrainer(smallNet(), { world }).fit(data, { epochs: 1 });
    return [
      await failureOf(() => smallTrainer(smallNet(), { world }).fit(data, { epochs: 1 })),
      await failureOf(() => world.barrier()),
      await failureOf(() => world.leave()),
      await failureOf(() => running),
      await failureOf(async () => smallTrainer(smallNet(), { world, shards: 1 })),
      await failureOf(async () => smallTrainer(smallNet(), { world: {} as World })),
      await failureOf(async () => world.leave()),
      await failureOf(() => smallTrainer(smallNet(), { world }).fit(data, { epochs: 1 })),
    ];
  },
  stop: async (world) => {
    const signal = new AbortController();
    const atThird = (then: (control: FitControl) => void): Partial<FitOptions> => ({
      callbacks: [
        { everySteps: 1, onSteps: (step, control) => void (step === 3 && second(world) && then(control)) },
      ],
    });
    const stopped = await plain(
      { world },
      atThird((control) => control.stop('enough')),
    );
    const aborted = await failureOf(() =>
      plain({ world }, { signal: signal.signal, ...atThird(() => signal.abort()) }),
    );
    const late = await plain({ world }, { timeLimitMs: second(world) ? 1 : 1e6 });
    return [stopped.stopped, aborted, late.stopped, late.digest];
  },
  overflow: (world) => failureOf(() => plain({ world, optimizer: optim.sgd({ lr: 1e30 }) })),
  hangs: (world, how) =>
    plain(
      { world, syncBatchNorm: how === 'synced' },
      {
        callbacks: [
          { everySteps: 2, onSteps: () => void (second(world) && process.kill(process.pid, 'SIGSTOP')) },
        ],
      },
    ),
  throws: (world, how) =>
    plain(
      { world, syncBatchNorm: how === 'synced' },
      {
        callbacks: [
          {
            everySteps: 2,
            onSteps: () => {
              if (second(world)) throw new Error('of its own');
            },
          },
        ],
      },
    ).finally(() => sleep(second(world) ? 5000 : 0)), // so that the launcher does not end the others first
};

async function main(): Promise<void> {
  const world = await join({ timeout: 20, answerTimeout: 5 });
  for (const name of process.argv.slice(2)) {
    const result = await run(name, world).catch((error: unknown) => {
      process.exitCode = 1;
      return { code: (error as { code?: string }).code, message: (error as Error).message };
    });
    // At once: several ranks share the stream.
    writeSync(1, `${JSON.stringify({ name, rank: world.rank, result })}\n`);
  }
}

if (require.main === module) void main();
