/**
 * A small network with everything that makes training stateful or random: batch norm,
 * dropout, momentum, augmentation.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as augment from '../../lib/augment';
import * as data from '../../lib/data';
import type { Dataset } from '../../lib/data';
import { seal } from '../../lib/files/sealed-json';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import * as schedules from '../../lib/schedules';
import { Trainer, type TrainerOptions } from '../../lib/train';

export function smallNet(): nn.Module {
  return nn.sequential(
    nn.conv2d(1, 4, { kernel: 3, padding: 1, stride: 2, bias: false }),
    nn.batchNorm2d(4),
    nn.relu(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.dropout(0.1),
    nn.linear(4 * 7 * 7, 10),
  );
}

export function smallTrainer(model: nn.Module = smallNet(), options: Partial<TrainerOptions> = {}): Trainer {
  return new Trainer(model, {
    loss: crossEntropy({ labelSmoothing: 0.05 }),
    optimizer: optim.sgd({ lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 1e-4 }),
    schedule: schedules.warmup(5, schedules.cosine()),
    augment: [augment.randomCrop(28, { padding: 2 }), augment.flip({ p: 0.1 })],
    seed: 3,
    ...options,
  });
}

let glyphs: Promise<Dataset> | undefined;

/** 203 glyphs: with batches of 32, seven of 29. */
export function someGlyphs(): Promise<Dataset> {
  glyphs ??= data.glyphs({ trainCount: 203, testCount: 1 }).then(({ train }) => train);
  return glyphs;
}

/** Bits of all parameters and buffers, as a digest. */
export async function weightsDigest(model: nn.Module): Promise<string> {
  return createHash('sha256')
    .update(await model.toBuffer())
    .digest('hex');
}

/** Changes what a checkpoint's state.json says, and its checksum with it. */
export function editState<T>(file: string, change: (state: T) => object): void {
  const { checksum: _, ...state } = JSON.parse(readFileSync(file, 'utf8')) as { checksum?: string };
  writeFileSync(file, seal(JSON.stringify(change(state as T), null, 1)));
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'tenon-train-'));
}

/** Makes directories that are removed after all tests of the file. */
export function temporaryDirectories(): () => string {
  const made: string[] = [];
  afterAll(() => made.forEach((path) => rmSync(path, { recursive: true })));
  return () => {
    const path = temporaryDirectory();
    made.push(path);
    return path;
  };
}

/** What a failing call rejected with. */
export async function failure(work: () => PromiseLike<unknown>): Promise<Error & { code?: string }> {
  try {
    await work();
  } catch (error) {
    return error as Error & { code?: string };
  }
  throw new Error('expected an error, there was none');
}
