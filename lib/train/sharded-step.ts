/**
 * A step whose batches are computed in shards: a pass for each, which adds what it leaves to the sums of its
 * subtree, and one update, by the sum of all. Between the two, the ranks of a world exchange their sums.
 * Where batch norm sees all shards, the passes over those of a batch run together, in one program.
 */
import { compile, compileTogether, type Compiled } from '../compile/compile';
import { describeCalls, type CallInWords } from '../compile/describe';
import { grad, Gradients } from '../compile/grad';
import { OptionError } from '../errors';
import { assign, currentTrace } from '../graph/trace';
import type { AnyArray } from '../native';
import * as ops from '../ops';
import { numel } from '../tensor/shape';
import { runtimeScalar, Tensor } from '../tensor/tensor';
import type { Parameter } from '../tensor/parameter';
import type { Batch } from './batch-source';
import { passRuns, rowsOf, type PlacedPass } from './shard-runs';
import { ShardSums, type MeanStatistics } from './shard-sums';
import { treeSteps, type ShardRange, type TreeStep } from './shards';
import { objectiveOf, recordLoss, type SettledStep, type Step, type TrainParts } from './steps';
import { isClassification, Totals } from './totals';

/** What the update of a step returns. */
interface UpdateResult {
  readonly loss: Tensor;
  /** What regularizers add to it; undefined if there are none. */
  readonly penalty: Tensor | undefined;
  /** Above 0 where a process asks to end the run. */
  readonly asks: Tensor;
}

/** How the batches of a run become steps. */
export interface Stepping {
  /** The most batches of a step. */
  readonly accumulate: number;
  /** Whether batch norm takes its statistics of the whole batch. */
  readonly syncBatchNorm: boolean;
}

/** A pass as the runtime scalars of its program see it. */
interface Pass extends Pick<PlacedPass, 'level' | 'from' | 'merges' | 'last'> {
  readonly asks: number;
  /** The place of its first sample in the batch. */
  readonly first: number;
}

export class ShardedStep implements Step {
  readonly totals = new Totals();
  private readonly sums: ShardSums;
  private readonly tree: readonly TreeStep[];
  /** Takes what each of the shards has that it passes over. */
  private readonly pass: Compiled<Tensor[][], Record<string, never>[]>;
  /** Absent where this process computes all shards. */
  private readonly exchange: Compiled<[], Record<string, never>> | undefined;
  private readonly update: Compiled<[], UpdateResult>;
  /** The passes of the run that is being queued. */
  private passes: readonly Pass[] = [];
  /** The one whose runtime scalars are being read. */
  private current: Pass = { level: 0, from: -1, merges: 0, last: 0, asks: 0, first: 0 };
  private readonly lockstep: boolean;
  /** Samples that the update which is being queued expects. */
  private expected = 0;
  private failed = false;
  /** Sizes of the batches that `prepare` saw last. */
  private prepared = '';

  /**
   * @param range the shards of this process; the ranks of a world have the others
   */
  constructor(
    private readonly parts: TrainParts,
    private readonly range: ShardRange,
    { accumulate, syncBatchNorm }: Stepping,
  ) {
    const { random, precision } = parts;
    const { shards, begin, end } = range;
    this.tree = treeSteps(shards, begin, end);
    this.lockstep = syncBatchNorm;
    this.sums = new ShardSums(rowsOf(this.tree, accumulate, syncBatchNorm), syncBatchNorm);
    this.pass = compileTogether(
      (...args: Tensor[]) => this.recordPass(args),
      (part) => this.enter(part),
      { random, precision },
    );
    if (end - begin < shards)
      this.exchange = compile(() => {
        this.sums.exchange(shards);
        return {};
      });
    this.update = compile(() => this.recordUpdate(), { random, precision });
  }

  async prepare(batches: readonly Batch[]): Promise<void> {
    const sizes = batches.map(({ size }) => size).join();
    if (sizes === this.prepared) return;
    this.prepared = sizes;
    for (const { shards } of batches) {
      const all = shards!.map(({ args }) => args);
      if (this.lockstep) await this.pass.prepareAsync(...all);
      // The first shard is the largest, the last one the smallest.
      else for (const args of [all[0]!, all.at(-1)!]) await this.pass.prepareAsync(args);
    }
    await this.exchange?.prepareAsync();
    await this.update.prepareAsync();
  }

  /**
   * What the ranks of a world have in common: the update, and the pass over a shard of the smallest size that
   * the batch has anywhere.
   */
  async calls({ size, shards }: Batch): Promise<CallInWords[]> {
    const samples = Math.floor(size / this.range.shards);
    const args = shards![0]!.args.map((t) => firstRows(t, samples));
    const programs = [await this.pass.prepareAsync(args), await this.update.prepareAsync()];
    // How many partial sums a rank has depends on its shards.
    return programs.flatMap(describeCalls).filter(({ place }) => !place.startsWith('shard_'));
  }

  async queue(batches: readonly Batch[], asks: boolean): Promise<SettledStep> {
    const { passes, alike } = this.queuePasses(batches, Number(asks));
    if (!alike) {
      await Promise.all(passes);
      throw new OptionError(
        'fit: the shards of a step must all have the same parameters and statistics, and count either by samples or by weights',
      );
    }
    this.expected = batches.reduce((sum, { size }) => sum + size, 0);
    this.totals.samples += this.expected;
    const exchanged = this.exchange?.();
    const updated = this.update();
    try {
      await Promise.all([...passes, exchanged, updated]);
    } catch (error) {
      this.failed = true;
      throw error;
    }
    const { loss, penalty, asks: asking } = await updated;
    const figures = { loss: loss.itemSync(), ...(penalty && { penalty: penalty.itemSync() }) };
    return { figures, asked: asking.itemSync() > 0 };
  }

  cancel(): void {
    this.update.cancel(); // first: what commits must not run after a shard that was left out
    this.exchange?.cancel();
    this.pass.cancel();
  }

  dispose(): void {
    this.update.dispose();
    this.exchange?.dispose();
    this.pass.dispose();
    this.sums.dispose();
    this.totals.dispose();
    // The guard of the update has noticed a shard that failed; what comes after this run is another matter.
    if (this.failed) this.parts.optimizer.resetGuard();
  }

  /** `alike`: whether all leave the same kind of sums. */
  private queuePasses(
    batches: readonly Batch[],
    asks: number,
  ): { passes: Promise<unknown>[]; alike: boolean } {
    const { random } = this.parts;
    const { step } = random;
    const passes: Promise<unknown>[] = [];
    const layouts = new Set<string>();
    for (const run of passRuns(this.tree, batches.length, this.lockstep)) {
      const shards = run.map(({ own, batch }) => batches[batch]!.shards![own]!);
      if (run[0]!.batch === 0) random.step = step;
      this.passes = run.map((placed, i) => ({ ...placed, asks, first: shards[i]!.first }));
      passes.push(this.pass(...shards.map(({ args }) => args)));
      layouts.add(this.sums.signature());
    }
    random.example = 0;
    return { passes, alike: layouts.size === 1 };
  }

  private enter(part: number): void {
    this.current = this.passes[part]!;
    this.parts.random.example = this.current.first;
  }

  private recordPass(args: readonly Tensor[]): Record<string, never> {
    const { parts } = this;
    const trace = currentTrace()!;
    trace.examples = args[0]!.shape[0]!;
    const statistics = (trace.statistics = []);
    if (this.lockstep) trace.syncedShards = this.range.shards;
    const { outputs, targets, loss, divisor } = recordLoss(parts, args);
    if (trace.assigned.size > 0)
      throw new OptionError(
        'fit: a layer assigns a buffer in forward(), which a batch that is computed in shards has no single value for; train with shards: 1',
      );
    const classes = isClassification(outputs, targets, parts.source.highestLabel !== undefined);
    const scalar = (name: keyof Pass): Tensor => runtimeScalar(() => this.current[name]);
    this.sums.add(
      {
        ...{ statistics, loss, divisor },
        samples: outputs.shape[0]!,
        correct: classes ? ops.countCorrect(outputs, targets) : undefined,
        asks: ops.fromScalar(scalar('asks')),
      },
      { level: scalar('level'), from: scalar('from'), merges: scalar('merges') },
      this.exchange && { shards: this.range.shards, last: scalar('last') },
    );
    return {};
  }

  private recordUpdate(): UpdateResult {
    const { model, optimizer, average } = this.parts;
    currentTrace()!.depend(model);
    const { gradients, statistics, loss, lossSum, samples, weight, correct, asks } = this.sums.means();
    const { objective, penalty } = objectiveOf(this.parts, loss);
    // Not finite where a shard is missing: nothing is updated then.
    const complete = ops.equal(samples, ops.fromScalar(runtimeScalar(() => this.expected)));
    const guarded = ops.div(objective, complete);
    optimizer.update(new Gradients(guarded, this.withPenalty(new Map(gradients), penalty)));
    statistics.forEach(moveStatistics);
    if (average !== undefined && average.due(0) === undefined) average.record(model);
    const penaltySum = penalty && ops.mul(penalty, samples);
    this.totals.add({ loss: lossSum, weight, penalty: penaltySum, correct });
    return { loss, penalty, asks };
  }

  /** Regularizers depend on weights alone, so their gradients are added once. */
  private withPenalty(
    gradients: Map<Parameter, Tensor>,
    penalty: Tensor | undefined,
  ): Map<Parameter, Tensor> {
    for (const [parameter, gradient] of penalty === undefined ? [] : grad(penalty).entries()) {
      const ofLoss = gradients.get(parameter);
      gradients.set(parameter, ofLoss === undefined ? gradient : ops.add(ofLoss, gradient));
    }
    return gradients;
  }
}

function moveStatistics({ running, batch, momentum }: MeanStatistics): void {
  const moved = ops.runningMean(momentum, running, batch);
  running.forEach((statistic, i) => assign(statistic, moved[i]!));
}

/** The first rows of an argument. */
function firstRows({ shape: [, ...rest], dtype, source }: Tensor, rows: number): Tensor {
  const { array } = source as { readonly array: AnyArray };
  return new Tensor([rows, ...rest], dtype, { kind: 'host', array: array.subarray(0, rows * numel(rest)) });
}
