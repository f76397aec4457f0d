/** The compiled programs of training and evaluation: one call into the addon per step. */
import { DataError } from '../errors';
import { compile, type Compiled } from '../compile/compile';
import type { CallInWords } from '../compile/describe';
import { grad } from '../compile/grad';
import type { Loss } from '../losses';
import type { Running } from '../metrics';
import { forwardInputs } from '../nn/inputs';
import { inEvalMode } from '../nn/mode';
import type { Module } from '../nn/module';
import type { WeightAverage } from '../optim/average';
import type { Optimizer } from '../optim/optimizer';
import { add, reshape } from '../ops';
import type { RandomState } from '../random';
import type { Regularizer } from '../regularizers';
import type { Precision } from '../tensor/dtype';
import type { Tensor } from '../tensor/tensor';
import type { Batch, BatchSource } from './batch-source';
import { checkWeighable } from './checks';
import { evaluationOf, gatherFigures, type BatchFigures } from './batch-figures';
import type { Ranks } from './ranks';
import { sumsOf, Totals, type BatchSums, type Evaluation, type Recorded } from './totals';

/** What a step is made of. */
export interface StepParts {
  readonly model: Module;
  readonly loss: Loss;
  /** Terms of the loss that depend on weights alone. */
  readonly regularizers?: readonly Regularizer[];
  readonly source: BatchSource;
  readonly random: RandomState;
  readonly precision: Precision;
}

/** Forward and loss of a batch, recorded. */
export function recordLoss(parts: StepParts, args: readonly Tensor[]): Recorded {
  const { inputs, targets, weights } = parts.source.record(args);
  const outputs = forwardInputs(parts.model, inputs);
  checkClasses(parts.source.highestLabel, outputs, targets);
  return measured(parts.loss, { outputs, targets, weights });
}

/** What a loss is taken of. */
export interface Scored {
  readonly outputs: Tensor;
  readonly targets: Tensor;
  /** Weights of the samples, f32 [B]; undefined if all count the same. */
  readonly weights: Tensor | undefined;
}

/**
 * The loss of outputs, and what it was divided by. @throws OptionError if it takes no weights, but
 * there are some
 */
export function measured(loss: Loss, { outputs, targets, weights }: Scored): Recorded {
  if (weights !== undefined) checkWeighable(loss);
  return {
    outputs,
    targets,
    loss: loss(outputs, targets, weights),
    divisor: loss.divisor?.(outputs, targets, weights),
  };
}

/** What a step descends: the loss, and the terms of the regularizers. `penalty` is the sum of these. */
export function objectiveOf(
  { model, regularizers = [] }: StepParts,
  loss: Tensor,
): { objective: Tensor; penalty: Tensor | undefined } {
  if (regularizers.length === 0) return { objective: loss, penalty: undefined };
  const terms = regularizers.map((term) => reshape(term(model), []));
  return {
    objective: terms.reduce((sum, term) => add(sum, term), reshape(loss, [])),
    penalty: terms.reduce((sum, term) => add(sum, term)),
  };
}

/** Found here rather than by the kernel, before any step has run. */
export function checkClasses(highest: number | undefined, outputs: Tensor, targets: Tensor): void {
  if (highest === undefined || outputs.rank !== 2 || targets.dtype !== 'i32') return;
  const classes = outputs.shape[1]!;
  if (highest >= classes) {
    throw new DataError(
      `the data set has label ${highest}, but the model has ${classes} outputs (labels 0 to ${classes - 1})`,
    );
  }
}

/** What a training step changes. */
export interface TrainParts extends StepParts {
  readonly optimizer: Optimizer;
  /** Updated in each step, if it is an average of steps. */
  readonly average: WeightAverage | undefined;
}

/** What the batch of a step returns. */
interface StepResult {
  readonly loss: Tensor;
  /** What its mean was divided by; undefined for the number of samples. */
  readonly divisor: Tensor | undefined;
  /** What regularizers add to it; undefined if there are none. */
  readonly penalty: Tensor | undefined;
}

/** The figures of a step, once it has run. */
export interface StepFigures {
  /** The mean loss. */
  readonly loss: number;
  /** What regularizers add to it; absent if there are none. */
  readonly penalty?: number;
}

/** A step that has run. */
export interface SettledStep {
  readonly figures: StepFigures;
  /** Whether a process that takes part asked to end the run. */
  readonly asked: boolean;
}

/** Queues the steps of a run. */
export interface Step {
  readonly totals: Totals;
  /** Compiles for a step over batches of these sizes, in slices, unless the step before had the same. */
  prepare(batches: readonly Batch[]): Promise<void>;
  /** What a step over such batches computes, in words that all ranks have in common. For steps of a world. */
  calls?(batch: Batch): Promise<CallInWords[]>;
  /**
   * Queues a step over some batches, which says whether this process asks to end the run. Resolves once it
   * has run; rejects with a NonFiniteError when it changed no weights.
   */
  queue(batches: readonly Batch[], asks: boolean): Promise<SettledStep>;
  /**
   * Ends the steps that are queued, and the one that runs unless it is being committed: they reject
   * with an AbortedError.
   */
  cancel(): void;
  dispose(): void;
}

/** Forward, backward, update, statistics and sums of the batches of one step. */
export class TrainStep implements Step {
  readonly totals = new Totals();
  private readonly update: Compiled<Tensor[], StepResult>;
  /** Accumulates the gradients of a batch that is not the last of its step. */
  private readonly add: Compiled<Tensor[], StepResult>;
  /** Sizes of the batches that `prepare` saw last. */
  private prepared = '';

  constructor(parts: TrainParts, accumulates: boolean) {
    const { optimizer, average, model, random, precision } = parts;
    this.update = compile(
      (...args: Tensor[]) => {
        const { objective, samples, ...result } = this.record(parts, args);
        optimizer.update(grad(objective), accumulates ? { samples } : {});
        if (average !== undefined && average.due(0) === undefined) average.record(model);
        return result;
      },
      { random, precision },
    );
    this.add = compile(
      (...args: Tensor[]) => {
        const { objective, samples, ...result } = this.record(parts, args);
        optimizer.accumulate(grad(objective), samples);
        return result;
      },
      { random, precision },
    );
  }

  async prepare(batches: readonly Batch[]): Promise<void> {
    const sizes = batches.map(({ size }) => size).join();
    if (sizes === this.prepared) return;
    this.prepared = sizes;
    const last = batches.length - 1;
    for (const [i, { args }] of batches.entries())
      await (i === last ? this.update : this.add).prepareAsync(...args);
  }

  async queue(batches: readonly Batch[]): Promise<SettledStep> {
    const last = batches.length - 1;
    const results = batches.map(async ({ args, size }, i) => {
      const pending = i === last ? this.update(...args) : this.add(...args);
      this.totals.samples += size;
      return { size, ...(await pending) };
    });
    const settled = await Promise.all(results);
    const penalized = settled[0]?.penalty !== undefined;
    const figures = {
      loss: weightedMean(settled.map(({ loss, divisor, size }) => [loss, divisor?.itemSync() ?? size])),
      ...(penalized && { penalty: weightedMean(settled.map(({ penalty, size }) => [penalty!, size])) }),
    };
    return { figures, asked: false };
  }

  cancel(): void {
    this.update.cancel(); // first: what commits must not run after a batch that was left out
    this.add.cancel();
  }

  dispose(): void {
    this.update.dispose();
    this.add.dispose();
    this.totals.dispose();
  }

  private record(
    parts: StepParts,
    args: readonly Tensor[],
  ): StepResult & { objective: Tensor; samples: number | Tensor } {
    const recorded = recordLoss(parts, args);
    const samples = recorded.outputs.shape[0]!;
    const { loss, divisor } = recorded;
    const { objective, penalty } = objectiveOf(parts, loss);
    this.totals.record({ ...recorded, penalty }, samples, parts.source.highestLabel !== undefined);
    return { loss, divisor, penalty, objective, samples: divisor ?? samples };
  }
}

/** 0 where nothing has a weight. */
function weightedMean(values: readonly (readonly [value: Tensor, weight: number])[]): number {
  const total = values.reduce((sum, [, weight]) => sum + weight, 0);
  return total === 0
    ? 0
    : values.reduce((sum, [value, weight]) => sum + weight * value.itemSync(), 0) / total;
}

/** Forward and sums of one batch, in evaluation mode; those of `metrics` as well. */
export class EvalStep {
  /** Those of the batches that have run, in the order in which they were queued. */
  readonly figures: BatchFigures[] = [];
  private readonly compiled: Compiled<Tensor[], BatchSums>;
  /** The size of the batch that `prepare` saw last. */
  private prepared: number | undefined;
  private queued = 0;

  /** With an average, the model computes with the averaged weights. */
  constructor(
    private readonly parts: StepParts,
    metrics: readonly Running<unknown>[],
    average: WeightAverage | undefined,
  ) {
    this.compiled = compile(
      (...args: Tensor[]) => {
        const record = (): Recorded => recordLoss(parts, args);
        const recorded = average?.inPlaceOf(parts.model, record) ?? record();
        const { outputs, targets } = recorded;
        for (const metric of metrics) metric.update(outputs, targets);
        return sumsOf(recorded, outputs.shape[0]!);
      },
      { random: parts.random, precision: parts.precision },
    );
  }

  /** Compiles for batches of this size, in slices, unless the batch before had the same. */
  async prepare({ args, size }: Batch): Promise<void> {
    if (size === this.prepared) return;
    this.prepared = size;
    // Recording is over when the call returns; nothing after it looks at the mode.
    await inEvalMode(this.parts.model, () => this.compiled.prepareAsync(...args));
  }

  async queue({ args, size }: Batch): Promise<void> {
    const place = this.queued++;
    const { loss, weight, correct } = await inEvalMode(this.parts.model, () => this.compiled(...args));
    this.figures[place] = {
      loss: loss.itemSync(),
      weight: weight?.itemSync(),
      correct: correct?.itemSync(),
      samples: size,
    };
  }

  /** The means over all samples; those of other ranks have the other batches. */
  async averages(ranks: Ranks | undefined): Promise<Evaluation> {
    return evaluationOf(ranks === undefined ? this.figures : await gatherFigures(ranks, this.figures));
  }

  /** Ends the batches that are queued or running: they reject with an AbortedError. */
  cancel(): void {
    this.compiled.cancel();
  }

  dispose(): void {
    this.compiled.dispose();
  }
}
