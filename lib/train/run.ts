/** One run of training: the loop over epochs and steps, its events, its end. */
import { performance } from 'node:perf_hooks';
import { AbortedError, DataError, NonFiniteError } from '../errors';
import { beginTraining } from '../nn/mode';
import type { Module } from '../nn/module';
import type { Optimizer } from '../optim/optimizer';
import type { RandomState } from '../random';
import { scheduledFactor, type Progress, type Schedule } from '../schedules';
import { abortable, whileNotAborted } from './abort';
import { takeIn } from './average';
import { writeCheckpoint, type Resumed } from './checkpoint';
import { explainNonFinite, GRADIENTS_OVERFLOWED, type FailedStep } from './diagnose';
import { Ending, type EndingOptions } from './ending';
import type { BestEpoch, Callback, EpochRecord, FitControl, FitEvent, History } from './events';
import { epochRecord, type Validated } from './figures';
import { Followers } from './followers';
import type { Position } from './position';
import { ownRange, type Ranks } from './ranks';
import { Saves } from './saves';
import { Snapshot } from './snapshot';
import type { Batch, BatchSource, EpochBatches } from './batch-source';
import { ShardedStep } from './sharded-step';
import { TrainStep, type SettledStep, type Step, type StepFigures, type TrainParts } from './steps';

/**
 * Steps in the addon's queue at once: the one that runs, and the one after it, so that the executor never
 * waits for JavaScript.
 */
const STEPS_IN_FLIGHT = 2;

/** What a run works on. */
export interface RunParts extends TrainParts {
  readonly schedule: Schedule | undefined;
  readonly clock: EpochClock;
  /** Where to continue; absent for a run from the start. Model and optimizer are loaded already. */
  readonly resumed: Resumed | undefined;
  /** Reported behind the start. */
  readonly warnings: readonly string[];
  /** Evaluates the model; absent without a validation set. */
  readonly validate: (() => Promise<Validated>) | undefined;
  /** Names of the figures that epochs will have. */
  readonly metrics: readonly string[];
  /** Absent where this process trains alone. */
  readonly ranks: Ranks | undefined;
}

/** The epoch that is being trained, counted from 0, as augmentation reads it. */
export interface EpochClock {
  epoch: number;
}

export interface RunOptions extends EndingOptions {
  readonly epochs: number;
  readonly callbacks: readonly Callback[];
  /** Goes into checkpoints; a run in the middle of an epoch can only continue with the same batches. */
  readonly batches: Position['batches'];
}

interface QueuedStep extends FailedStep {
  readonly done: Promise<SettledStep>;
  /** Batches of the epoch that were queued before it. */
  readonly position: number;
  /** Counts from 1. */
  readonly step: number;
  readonly inEpoch: number;
  readonly learningRate: number;
}

export class FitRun implements FitControl {
  lastStep: FitControl['lastStep'];
  private readonly trainStep: Step;
  private readonly model: Module;
  private readonly random: RandomState;
  private readonly source: BatchSource;
  private readonly optimizer: Optimizer;
  /** Steps queued, over all epochs. */
  private step = 0;
  /** Batches of this epoch queued. */
  private position = 0;
  private readonly records: EpochRecord[] = [];
  private readonly inFlight: QueuedStep[] = [];
  private compared = false;
  private best: BestEpoch | undefined;
  private bestWeights: Snapshot | undefined;
  private readonly saves: Saves;
  private readonly ending: Ending;
  private readonly followers: Followers;

  constructor(
    private readonly parts: RunParts,
    private readonly options: RunOptions,
    listener: (event: FitEvent) => void,
  ) {
    this.model = parts.model;
    this.random = parts.random;
    this.source = parts.source;
    this.optimizer = parts.optimizer;
    this.followers = new Followers(listener, options.callbacks, this);
    const { ranks } = parts;
    this.saves = new Saves(ranks);
    this.ending = new Ending(options, ranks);
    const { accumulate, shards, syncBatchNorm } = options.batches;
    this.trainStep =
      shards > 1
        ? new ShardedStep(parts, ownRange(shards, ranks), { accumulate, syncBatchNorm })
        : new TrainStep(parts, accumulate > 1);
  }

  /** Trains to the end. Whatever it throws, the weights are those after the last whole step. */
  async execute(): Promise<History> {
    let history: History;
    try {
      history = await whileNotAborted(
        this.ending.signal,
        () => this.trainStep.cancel(),
        () => this.train(),
      );
    } catch (error) {
      await this.followers.end().catch(() => undefined); // what ended the run is what the caller must see
      throw error;
    }
    await this.followers.end();
    return history;
  }

  private async train(): Promise<History> {
    const { clock } = this.parts;
    try {
      clock.epoch = 0;
      this.optimizer.discardAccumulated(); // of a run that failed in the middle of a step
      beginTraining(this.model);
      await this.restore();
      await this.emitStart();
      while (clock.epoch < this.options.epochs && !(await this.limitReached())) await this.trainEpoch();
      const history: History = {
        epochs: [...this.records],
        steps: this.step,
        stopped: this.ending.reason ?? 'finished',
        ...(this.best && { best: this.best }),
      };
      await this.followers.tell({ type: 'done', history });
      await this.saves.settled; // checkpoints hold the last weights, with which training continues
      await this.bestWeights?.putBack(this.parts);
      return history;
    } finally {
      await this.settleRest();
      await this.saves.settled;
      await this.saves.release();
      this.optimizer.lrFactor = 1;
      this.trainStep.dispose();
      await this.source.close?.();
    }
  }

  async saveCheckpoint(directory: string, options: { readonly keep?: number } = {}): Promise<string> {
    const { model, optimizer } = this;
    const { precision, average, ranks } = this.parts;
    const { callbacks } = this.options;
    const trained = { model, optimizer, precision, average, callbacks };
    // Steps exchange in an order of their own, which the ranks' other words must not break.
    if (ranks !== undefined) await this.drain();
    const saved = await this.saves.save(
      directory,
      // Not in the queue of saves: callbacks of the steps that are still in flight may save, too.
      () => this.drain(),
      async () => writeCheckpoint(directory, trained, await this.whereNow(), options.keep),
    );
    await this.followers.tell({ type: 'checkpoint', directory: saved, step: this.step });
    return saved;
  }

  lockDirectory(directory: string): Promise<void> {
    return this.saves.lock(directory);
  }

  stop(reason = 'callback'): void {
    this.ending.stop(reason);
  }

  async snapshot(into = new Snapshot()): Promise<Snapshot> {
    await this.drain();
    await into.take(this.parts);
    return into;
  }

  keepBest(best: BestEpoch, weights?: Snapshot): void {
    this.best = best;
    this.bestWeights = weights;
  }

  private async emitStart(): Promise<void> {
    const parameters = this.model.parameters().reduce((sum, p) => sum + p.size, 0);
    const { stepsPerEpoch } = this.source;
    await this.followers.tell({
      type: 'start',
      epochs: this.options.epochs,
      stepsPerEpoch,
      step: this.step,
      epoch: this.parts.clock.epoch,
      parameters,
      metrics: this.parts.metrics,
    });
    for (const message of this.parts.warnings) await this.followers.tell({ type: 'warning', message });
  }

  private async trainEpoch(): Promise<void> {
    await this.saves.settled;
    const begin = performance.now();
    const before = this.position === 0 ? 0 : this.trainStep.totals.samples;
    if (this.position === 0) await this.trainStep.totals.reset();
    const batches = await this.open();
    if (batches === undefined) return;
    let complete: boolean;
    try {
      complete = await this.trainBatches(batches);
    } finally {
      // Not awaited: a generator that waits for something that never comes would keep an aborted
      // run from ending.
      batches.close().catch(() => undefined);
    }
    // An epoch that a limit cut short has no record; resuming it will complete it.
    if (complete) await this.endEpoch(begin, before, batches.waitMs);
  }

  /**
   * The batches of this epoch from the present position on; undefined where the signal fires before
   * they are there.
   */
  private open(): Promise<EpochBatches | undefined> {
    const opening = this.source.open(this.parts.clock.epoch, this.position);
    return abortable(opening, this.ending.signal, (batches) => batches.close());
  }

  /** Trains until the epoch is complete, or a limit is reached (false). No step is in flight afterwards. */
  private async trainBatches(batches: EpochBatches): Promise<boolean> {
    const { signal } = this.ending;
    while (this.position !== this.source.batchesPerEpoch) {
      if (await this.limitReached()) {
        await this.drain();
        return false;
      }
      const group = await this.nextGroup(batches);
      if (signal?.aborted === true) continue;
      if (group.length === 0) break;
      await this.trainStep.prepare(group);
      await this.compareCalls(group[0]!);
      await this.saves.settled;
      this.queue(group);
      if (this.inFlight.length >= STEPS_IN_FLIGHT) await this.settleOldest();
      await this.followers.afterStep(this.step, () => {
        this.ending.settle();
        return this.drain();
      });
    }
    await this.drain();
    if (this.position === 0) throw new DataError('fit: the data set has no batches');
    return true;
  }

  /** Before the first step of a world: the ranks compute the same. @throws OptionError */
  private async compareCalls(batch: Batch): Promise<void> {
    const { ranks } = this.parts;
    if (ranks === undefined || this.compared) return;
    this.compared = true;
    await ranks.compareCalls('fit', (await this.trainStep.calls?.(batch)) ?? []);
  }

  /** The batches of the next step: as many as are accumulated, or fewer. */
  private async nextGroup(batches: EpochBatches): Promise<Batch[]> {
    const { source, position } = this;
    const group: Batch[] = [];
    while (source.stepOf(position + group.length) === source.stepOf(position)) {
      const batch = await abortable(batches.next(), this.ending.signal);
      if (batch === undefined) break;
      group.push(batch);
    }
    return group;
  }

  private queue(batches: readonly Batch[]): void {
    const { parts, random } = this;
    parts.optimizer.lrFactor = scheduledFactor(parts.schedule, this.progress());
    const randomStep = random.step;
    const { position } = this;
    const done = this.trainStep.queue(batches, this.ending.asks);
    // Whoever settles it sees the failure, so until then it does not count as unhandled.
    done.catch(() => undefined);
    this.step++;
    this.position += batches.length;
    this.inFlight.push({
      done,
      batches,
      position,
      step: this.step,
      inEpoch: this.source.stepOf(this.position - 1) + 1,
      learningRate: this.learningRate(),
      randomStep,
      randomStride: (random.step - randomStep) / batches.length,
    });
  }

  private progress(): Progress {
    const { step, records: history } = this;
    const { stepsPerEpoch = Infinity } = this.source;
    const { epochs, maxSteps } = this.options;
    const totalSteps = stepsPerEpoch === Infinity ? maxSteps : stepsPerEpoch * epochs;
    return { step, epoch: this.parts.clock.epoch, totalSteps, stepsPerEpoch, totalEpochs: epochs, history };
  }

  /**
   * Waits for the oldest queued step.
   * @throws what it failed with, a NonFiniteError with the layer's name, or that the run was aborted
   */
  private async settleOldest(): Promise<void> {
    const oldest = this.inFlight.shift();
    if (oldest === undefined) return;
    const { figures, asked } = await oldest.done.catch((error: unknown) => this.fail(oldest, error));
    if (asked) this.ending.settle();
    this.lastStep = { step: oldest.step, ...figures, learningRate: oldest.learningRate };
    await this.tellStep(oldest, figures);
  }

  private async fail(failed: QueuedStep, error: unknown): Promise<never> {
    await this.settleRest();
    const aborted = error instanceof AbortedError && this.ending.signal?.aborted === true;
    if (!aborted && !(error instanceof NonFiniteError)) throw error;
    // The step committed nothing, nor did the one queued behind it.
    this.step = failed.step - 1;
    this.position = failed.position;
    this.random.step = failed.randomStep;
    throw aborted ? this.ending.abortion(this.step) : await this.explain(failed, error);
  }

  private async drain(): Promise<void> {
    while (this.inFlight.length > 0) await this.settleOldest();
  }

  private async settleRest(): Promise<void> {
    await Promise.allSettled(this.inFlight.splice(0).map(({ done }) => done));
  }

  private tellStep({ step, inEpoch, learningRate }: QueuedStep, figures: StepFigures): Promise<void> {
    const { stepsPerEpoch } = this.source;
    const epoch = this.parts.clock.epoch + 1;
    return this.followers.tellStep({
      type: 'step',
      epoch,
      step,
      stepInEpoch: inEpoch,
      stepsPerEpoch,
      ...figures,
      learningRate,
    });
  }

  private async explain(failed: QueuedStep, cause: NonFiniteError): Promise<NonFiniteError> {
    this.optimizer.resetGuard();
    const { ranks } = this.parts;
    const own = await explainNonFinite(this.parts, failed);
    const places = ranks === undefined ? [own] : await ranks.gather(own ?? null);
    const found = places.find((place) => typeof place === 'string');
    const place = found === undefined ? GRADIENTS_OVERFLOWED : `the first such number came from ${found}`;
    const epoch = this.parts.clock.epoch + 1;
    const explained = new NonFiniteError(
      `fit: loss or gradients are not finite at step ${failed.step} (epoch ${epoch}, learning rate ${failed.learningRate}): ${place}. ` +
        'The weights are those before this step',
      { cause },
    );
    return ranks?.agreed(explained) ?? explained;
  }

  private learningRate(): number {
    return this.optimizer.lr * this.optimizer.lrFactor;
  }

  /** @throws AbortedError once the signal has fired and queued steps have ended */
  private limitReached(): Promise<boolean> {
    return this.ending.reached(this.step, () => this.drain());
  }

  private async endEpoch(begin: number, samplesBefore: number, dataWaitMs: number): Promise<void> {
    await this.saves.settled;
    const { clock, validate } = this.parts;
    const train = await this.trainStep.totals.averages();
    const trained = performance.now();
    const { average } = this.parts;
    if (average?.due(clock.epoch + 1) === true) await takeIn(average, this.model);
    const validation = await validate?.();
    const record = epochRecord({
      epoch: clock.epoch + 1,
      step: this.step,
      train,
      validation,
      learningRate: this.learningRate(),
      ...(await this.timesOf({
        imagesPerSecond: ((this.trainStep.totals.samples - samplesBefore) * 1000) / (trained - begin),
        dataWaitMs,
        seconds: (performance.now() - begin) / 1000,
      })),
    });
    this.records.push(record);
    clock.epoch++;
    this.position = 0;
    this.ending.settle();
    await this.followers.tell({ type: 'epoch', ...record });
  }

  /** Those of rank 0, so that all ranks record the same. */
  private async timesOf<T>(own: T): Promise<T> {
    const { ranks } = this.parts;
    const all = ranks === undefined ? [] : await ranks.gather(own);
    return all[0] ?? own;
  }

  private async whereNow(): Promise<Position> {
    const { random, step, position } = this;
    return {
      seed: random.seed,
      epoch: this.parts.clock.epoch,
      step,
      position,
      randomStep: random.step,
      totals: await this.trainStep.totals.state(),
      batches: this.options.batches,
      history: this.records,
    };
  }

  private async restore(): Promise<void> {
    const { parts } = this;
    const { resumed, clock } = parts;
    if (resumed === undefined) return;
    const { position } = resumed;
    clock.epoch = position.epoch;
    this.step = position.step;
    this.position = position.position;
    this.random.step = position.randomStep;
    this.records.push(...position.history);
    // The factor of the step before, for the record of an epoch whose last step was the checkpoint's.
    if (position.position > 0)
      this.optimizer.lrFactor = scheduledFactor(parts.schedule, { ...this.progress(), step: this.step - 1 });
    await this.trainStep.totals.restore(position.totals);
  }
}
