/**
 * A trial of `tenon tune`: a run of `tenon train` in the trial's folder. The module of its worker processes.
 */
import '../compile/evaluate';
import { join } from 'node:path';
import { AbortedError, NonFiniteError, OptionError, TrialPruned } from '../errors';
import { messageOf } from '../options';
import { pathKind } from '../files/read';
import type { Callback, FitControl, FitEvent, History } from '../train/events';
import type { Trial } from '../tune/run/trial';
import { openSplits, type DatasetChoice } from './datasets';
import { Output, type Streams } from './output';
import { makePlan, perform } from './training';
import { settingsOf, type Metric } from './trial-settings';

const NOWHERE: Streams = { stdout: { write: () => undefined }, stderr: { write: () => undefined } };

/**
 * Trains with the settings that the parameters are, for as many epochs as the strategy wants, and returns the
 * metric of the model that it saves.
 */
export default async function trainTrial(
  params: Readonly<Record<string, unknown>>,
  trial: Trial<unknown>,
): Promise<number> {
  const { folder: out, budget, continues, signal } = trial;
  if (out === undefined) throw new OptionError('tenon tune: the study has no folder for its trials');
  const { given, metric } = settingsOf(params);
  const resume = continues !== undefined && (await holdsRun(continues)) ? continues : undefined;
  const plan = await makePlan({ ...given, ...(budget && { epochs: budget }) }, { out, resume }, signal);
  const reporter = new Reporter(trial, metric);
  const audience = { output: new Output(NOWHERE, false), streams: NOWHERE, signal };
  const lock = await plan.folder.lock();
  try {
    const trained = await perform(audience, plan, { open: openOnce, callbacks: [reporter] });
    if (trained === undefined) throw new AbortedError(messageOf(signal.reason));
    return finalValue(trained.history, metric);
  } catch (error) {
    // A rule may know what becomes of a trial whose loss explodes.
    if (error instanceof NonFiniteError) await trial.report(reporter.epoch + 1, NaN);
    throw error;
  } finally {
    lock.release();
  }
}

async function holdsRun(folder: string): Promise<boolean> {
  return (await pathKind(join(folder, 'run.json'))) === 'file';
}

/** Reports the metric of each epoch. Those of a trial that this one continues count anyway. */
class Reporter implements Callback {
  /** The last epoch that was reported. */
  epoch = 0;

  constructor(
    private readonly trial: Trial<unknown>,
    private readonly metric: Metric,
  ) {}

  async onEvent(event: FitEvent, control: FitControl): Promise<void> {
    if (event.type === 'start' || event.type === 'epoch') this.epoch = event.epoch;
    if (event.type !== 'epoch') return;
    const value = event[this.metric];
    if (value === undefined) throw new OptionError(`tenon tune: epoch ${event.epoch} has no ${this.metric}`);
    try {
      await this.trial.report(event.epoch, value);
    } catch (error) {
      if (!(error instanceof TrialPruned)) throw error;
      control.stop(error.message);
    }
  }
}

/** The metric after the last epoch or, with early stopping, of the best one, whose weights were kept. */
function finalValue({ epochs, best }: History, metric: Metric): number {
  const record = epochs.find(({ epoch }) => epoch === best?.epoch) ?? epochs.at(-1);
  return record?.[metric] ?? NaN;
}

/** The data that were opened last: the trials of a worker mostly share them. */
let opened:
  { key: string; signal: AbortSignal | undefined; splits: ReturnType<typeof openSplits> } | undefined;

function openOnce(choice: DatasetChoice, signal?: AbortSignal): ReturnType<typeof openSplits> {
  const { dataset, data, imageSize, resize, keep, onError, limits } = choice;
  const key = JSON.stringify([dataset, data, imageSize, resize, keep, onError, limits]);
  // Data that are decoded on demand hear of the signal with which they were opened.
  if (opened?.key === key && opened.signal?.aborted !== true) return opened.splits;
  const splits = openSplits(choice, signal);
  opened = { key, signal, splits };
  splits.catch(() => (opened = undefined));
  return splits;
}
