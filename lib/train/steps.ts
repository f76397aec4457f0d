/** The compiled programs of training and evaluation: one call into the addon a step. */
import { DataError } from '../errors';
import { compile, type Compiled } from '../graph/compile';
import { grad } from '../graph/grad';
import type { Loss } from '../losses';
import { forwardInputs } from '../nn/inputs';
import { inEvalMode } from '../nn/mode';
import type { Module } from '../nn/module';
import type { Optimizer } from '../optim/optimizer';
import type { RandomState } from '../random';
import type { Precision } from '../tensor/dtype';
import type { Tensor } from '../tensor/tensor';
import type { Batch, BatchSource } from './source';
import { Totals } from './totals';

/** What a step is made of. */
export interface StepParts {
  readonly model: Module;
  readonly loss: Loss;
  readonly source: BatchSource;
  readonly random: RandomState;
  readonly precision: Precision;
}

/** Forward and loss of a batch, recorded. */
export function recordLoss(
  parts: StepParts,
  args: readonly Tensor[],
): { outputs: Tensor; targets: Tensor; loss: Tensor } {
  const { inputs, targets } = parts.source.record(args);
  const outputs = forwardInputs(parts.model, inputs);
  checkClasses(parts.source.highestLabel, outputs, targets);
  return { outputs, targets, loss: parts.loss(outputs, targets) };
}

/** Found here rather than by the kernel, before any step has run. */
function checkClasses(highest: number | undefined, outputs: Tensor, targets: Tensor): void {
  if (highest === undefined || outputs.rank !== 2 || targets.dtype !== 'i32') return;
  const classes = outputs.shape[1]!;
  if (highest >= classes) {
    throw new DataError(
      `the data set has label ${highest}, but the model has ${classes} outputs (labels 0 to ${classes - 1})`,
    );
  }
}

/** Forward, backward, update, statistics and sums of one batch. */
export class TrainStep {
  readonly totals = new Totals();
  private readonly compiled: Compiled<Tensor[], Tensor>;

  constructor(parts: StepParts, optimizer: Optimizer) {
    this.compiled = compile(
      (...args: Tensor[]) => {
        const { outputs, targets, loss } = recordLoss(parts, args);
        optimizer.update(grad(loss));
        this.totals.record(loss, outputs, targets, outputs.shape[0]!);
        return loss;
      },
      { random: parts.random, precision: parts.precision },
    );
  }

  /** Queues a step. Resolves with the loss of its batch once it has run; rejects with a NonFiniteError when it changed nothing. */
  async queue({ args, size }: Batch): Promise<number> {
    const pending = this.compiled(...args);
    this.totals.samples += size;
    return (await pending).itemSync();
  }

  dispose(): void {
    this.compiled.dispose();
    this.totals.dispose();
  }
}

/** Forward and sums of one batch, in evaluation mode. */
export class EvalStep {
  readonly totals = new Totals();
  private readonly compiled: Compiled<Tensor[], Record<string, never>>;

  constructor(private readonly parts: StepParts) {
    this.compiled = compile(
      (...args: Tensor[]) => {
        const { outputs, targets, loss } = recordLoss(parts, args);
        this.totals.record(loss, outputs, targets, outputs.shape[0]!);
        return {};
      },
      { random: parts.random, precision: parts.precision },
    );
  }

  async queue({ args, size }: Batch): Promise<void> {
    const pending = inEvalMode(this.parts.model, () => this.compiled(...args));
    this.totals.samples += size;
    await pending;
  }

  dispose(): void {
    this.compiled.dispose();
    this.totals.dispose();
  }
}
