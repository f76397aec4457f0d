/**
 * Evaluation of outputs that are means: several passes over a batch, with noise or of other views,
 * then its loss.
 */
import { compile, type Compiled } from '../compile/compile';
import { forwardInputs } from '../nn/inputs';
import type { Loss } from '../losses';
import { inEvalMode } from '../nn/mode';
import { Outputs } from '../nn/predict-batches';
import type { Sampling } from '../nn/sampling';
import type { Running } from '../metrics';
import * as ops from '../ops';
import type { WeightAverage } from '../optim/average';
import type { Shape } from '../tensor/shape';
import { tensor, type Tensor } from '../tensor/tensor';
import type { Batch } from './batch-source';
import { checkClasses, measured, type StepParts } from './steps';
import { isClassification, Totals, type Evaluation } from './totals';

/** The smallest f32 that keeps all its digits: a logarithm of it is finite. */
const LEAST = 2 ** -126;

/** What outputs are the logits of; undefined where they are none. */
type LogitKind = Loss['logits'];

function kindOf(loss: Loss, outputs: Tensor, targets: Tensor): LogitKind {
  return loss.logits ?? (isClassification(outputs, targets) ? 'softmax' : undefined);
}

/**
 * What is averaged over passes. Independent classes have two probabilities, one above the other: 1 - p has
 * lost its digits where p is near 1.
 */
function probabilities(outputs: Tensor, kind: LogitKind): Tensor {
  if (kind === 'softmax') return ops.softmax(outputs);
  if (kind === undefined) return outputs;
  return ops.concat([ops.sigmoid(outputs), ops.sigmoid(ops.neg(outputs))], 0);
}

/** Outputs whose probabilities are these means: softmax and sigmoid take their logarithms back to them. */
function logits(mean: Tensor, kind: LogitKind): Tensor {
  if (kind === undefined) return mean;
  const logs = ops.log(ops.maximum(mean, LEAST));
  if (kind === 'softmax') return logs;
  const [both = 0, ...rest] = mean.shape;
  const half = (begin: number): Tensor => ops.slice(logs, [begin, ...rest.map(() => 0)], [both / 2, ...rest]);
  return ops.sub(half(0), half(both / 2));
}

/** What outputs are averaged over: all samples of each view. */
export interface Passes {
  /** Absent for passes without noise. */
  readonly sampling: Sampling | undefined;
  /** What the source takes behind a batch, for each view; `[[]]` where inputs are seen once. */
  readonly views: readonly (readonly Tensor[])[];
}

/** As EvalStep, of the means over passes. */
export class AveragedEvalStep {
  private readonly totals = new Totals();
  /** What is averaged: probabilities, where outputs are logits. */
  private readonly pass: Compiled<Tensor[], Tensor>;
  /** Takes the mean over the passes before what a batch is made of. */
  private readonly score: Compiled<Tensor[], Record<string, never>>;
  private first = 0;
  /** Batches are summed in their order. */
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: StepParts,
    private readonly passes: Passes,
    metrics: readonly Running<unknown>[],
    average: WeightAverage | undefined,
  ) {
    const { model, loss, source, precision, random } = parts;
    const { sampling } = passes;
    this.pass = compile(
      (...args: Tensor[]) => {
        const { inputs, targets } = source.record(args);
        sampling?.record(inputs.shape[0]!);
        const forward = (): Tensor => forwardInputs(model, inputs);
        const outputs = average?.inPlaceOf(model, forward) ?? forward();
        checkClasses(source.highestLabel, outputs, targets);
        return probabilities(outputs, kindOf(loss, outputs, targets));
      },
      { random: sampling?.random ?? random, precision },
    );
    this.score = compile(
      (...[mean, ...args]: Tensor[]) => {
        const { targets, weights } = source.record(args);
        const outputs = logits(mean!, kindOf(loss, mean!, targets));
        this.totals.record(measured(loss, { outputs, targets, weights }), outputs.shape[0]!);
        for (const metric of metrics) metric.update(outputs, targets);
        return {};
      },
      { random, precision },
    );
  }

  queue(batch: Batch): Promise<void> {
    const [before, first] = [this.last, this.first];
    this.first += batch.size;
    this.totals.samples += batch.size;
    this.last = before.then(() => this.run(batch, first));
    return this.last;
  }

  averages(): Promise<Evaluation> {
    return this.totals.averages();
  }

  /** Ends the batches that are queued or running: they reject with an AbortedError. */
  cancel(): void {
    this.pass.cancel();
    this.score.cancel();
  }

  dispose(): void {
    this.pass.dispose();
    this.score.dispose();
    this.totals.dispose();
  }

  private async run({ args }: Batch, first: number): Promise<void> {
    const { model } = this.parts;
    const { sampling, views } = this.passes;
    const samples = sampling?.samples ?? 1;
    const outputs = new Outputs(views.length * samples);
    let shape: Shape = [];
    for (let pass = 0; pass < views.length * samples; pass++) {
      const queued = (): Promise<Tensor> => this.pass(...args, ...views[Math.floor(pass / samples)]!);
      const found = await (sampling?.pass(model, first, pass, queued) ?? inEvalMode(model, queued));
      shape = found.shape;
      outputs.add(found);
    }
    await inEvalMode(model, () => this.score(tensor(outputs.joined(), shape), ...args));
  }
}
