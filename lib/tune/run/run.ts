/** Runs trials, as many at once as there are places for them. */
import { existsSync, readdirSync } from 'node:fs';
import { AbortedError, OptionError } from '../../errors';
import { moduleUrl } from '../../files/modules';
import { checkFunction } from '../../options';
import { info } from '../../native';
import { NOTE } from '../study/notes';
import { trialFolder } from './folders';
import type { Objective } from './objective';
import { readRunOptions, type RunOptions, type RunSettings } from './options';
import { OwnProcess, type Ended, type Place } from './place';
import type { Runnable, StudyTrial } from './runnable';
import { Tending } from './tending';
import type { TrialFacts } from './trial';
import { WorkerPlace } from './worker-place';

const WHERE = 'study.run';
/** Milliseconds between two looks at the log while there is nothing to take. */
const WAIT = 200;

export async function* runTrials<P>(
  study: Runnable<P>,
  objective: Objective<P> | string | URL,
  options: RunOptions,
): AsyncGenerator<StudyTrial<P>, void, undefined> {
  const settings = readRunOptions(options);
  const run = new Run(study, placesOf(study, objective, settings.workers), settings);
  try {
    await run.begin();
    for (;;) {
      const ended = await run.next();
      if (ended === undefined) return;
      yield ended;
    }
  } finally {
    await run.close();
  }
}

function placesOf<P>(
  study: Runnable<P>,
  objective: Objective<P> | string | URL,
  workers: number | undefined,
): Place<P>[] {
  const directions = study.directions.length;
  if (typeof objective !== 'string' && !(objective instanceof URL)) {
    checkFunction(WHERE, 'objective', objective);
    if (workers !== undefined && workers > 1)
      throw new OptionError(
        `${WHERE}: a function runs in this process, one trial at a time; for ${workers} workers, pass the ` +
          'path of a module whose default export it is',
      );
    return [new OwnProcess(study, objective, directions)];
  }
  const count = workers ?? 1;
  const threads = Math.max(1, Math.floor(info().threads / count));
  const settings = { module: moduleUrl(WHERE, 'the objective', objective), directions, threads };
  return Array.from({ length: count }, () => new WorkerPlace<P>(study, settings));
}

/** Why a trial is asked to end that has used up its time. */
class Overtime extends AbortedError {
  constructor(limit: number) {
    super(`it ran for more than ${limit / 60_000} minutes`);
  }
}

/** A trial that died early may have left an empty folder, or none. */
function holdsSomething(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).length > 0;
}

/** A trial that runs here. */
interface Active<P> {
  readonly controller: AbortController;
  readonly ended: Promise<StudyTrial<P>>;
}

class Run<P> {
  private begun = 0;
  private closing = false;
  private readonly deadline: number;
  private readonly active = new Map<number, Active<P>>();
  private readonly free: Place<P>[];
  private readonly tending: Tending<P>;

  constructor(
    private readonly study: Runnable<P>,
    private readonly places: readonly Place<P>[],
    private readonly settings: RunSettings,
  ) {
    this.deadline = performance.now() + settings.limit;
    this.free = [...places];
    this.tending = new Tending(study, settings, this.active);
  }

  async begin(): Promise<void> {
    this.settings.signal.addEventListener('abort', this.abort);
    await this.tending.begin();
  }

  /** The next trial that ends; undefined where the search has. */
  async next(): Promise<StudyTrial<P> | undefined> {
    for (;;) {
      this.tending.check();
      const full = await this.fill();
      if (this.active.size === 0 && full !== 'wait') {
        if (!this.stopped) return undefined;
        throw new AbortedError(`${WHERE} was aborted`, { cause: this.settings.signal.reason });
      }
      const ended = await this.first();
      if (ended === undefined) continue;
      this.active.delete(ended.number);
      return ended;
    }
  }

  async close(): Promise<void> {
    this.closing = true;
    this.abort();
    await Promise.allSettled([...this.active.values()].map(({ ended }) => ended));
    this.tending.close();
    this.settings.signal.removeEventListener('abort', this.abort);
    for (const place of this.places) place.close();
  }

  private readonly abort = (): void => {
    for (const { controller } of this.active.values()) controller.abort(this.settings.signal.reason);
  };

  private get stopped(): boolean {
    return this.closing || this.settings.signal.aborted;
  }

  private get mayBegin(): boolean {
    return !this.stopped && this.begun < this.settings.trials && performance.now() < this.deadline;
  }

  /** Begins trials until every place has one. `'wait'`: more may follow later. */
  private async fill(): Promise<'wait' | undefined> {
    while (this.mayBegin) {
      const place = this.free.pop();
      if (place === undefined) return undefined;
      const taken = await this.takeFor(place);
      if (typeof taken === 'object') {
        this.start(place, taken);
        continue;
      }
      this.free.push(place);
      return taken ?? (this.tending.others && this.mayBegin ? 'wait' : undefined);
    }
    return undefined;
  }

  private async takeFor(place: Place<P>): Promise<StudyTrial<P> | 'wait' | undefined> {
    await place.ready(() => this.mayBegin);
    return this.mayBegin ? this.study.take(this.settings.total) : undefined;
  }

  private start(place: Place<P>, taken: StudyTrial<P>): void {
    this.begun++;
    const controller = new AbortController();
    const ended = this.perform(place, taken, controller);
    // It is awaited later, perhaps after another one has failed.
    ended.catch(() => undefined);
    this.active.set(taken.number, { controller, ended });
    if (this.stopped) this.abort();
  }

  private async perform(
    place: Place<P>,
    taken: StudyTrial<P>,
    controller: AbortController,
  ): Promise<StudyTrial<P>> {
    const { trialLimit } = this.settings;
    const overtime = (): void => controller.abort(new Overtime(trialLimit));
    const timer = trialLimit === Infinity ? undefined : setTimeout(overtime, trialLimit);
    const ended = await place.perform(this.factsOf(taken), controller.signal);
    clearTimeout(timer);
    const trial = await this.record(taken.number, ended, controller.signal.reason);
    // Not before: what is suggested next depends on how this one ended.
    this.free.push(place);
    return trial;
  }

  /** @param reason why the trial was asked to end, if it was */
  private async record(number: number, ended: Ended, reason: unknown): Promise<StudyTrial<P>> {
    if (ended.state === 'complete' || ended.state === 'pruned') return this.study.finish(number, ended);
    if (reason instanceof Overtime)
      return this.study.finish(number, { state: 'failed', error: reason.message });
    const interrupted = this.stopped;
    if (ended.state !== 'lost' && !interrupted) return this.study.finish(number, ended);
    const error = interrupted ? 'the search was stopped' : ended.error;
    const retries = interrupted ? undefined : this.settings.retries;
    const before = this.study.trials.length;
    await this.study.lose(number, { error, retries });
    const { trials } = this.study;
    if (trials.slice(before).some(({ notes }) => notes[NOTE.retryOf] === number)) this.begun--;
    const trial = trials[number];
    if (trial === undefined) throw new OptionError(`${WHERE}: the trial ${number} is gone`);
    return trial;
  }

  /** The first trial to end, if one does before it is time to look around. */
  private async first(): Promise<StudyTrial<P> | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise<undefined>((done) => (timer = setTimeout(() => done(undefined), WAIT)));
    try {
      return await Promise.race([...[...this.active.values()].map(({ ended }) => ended), pause]);
    } finally {
      clearTimeout(timer);
    }
  }

  private factsOf({ number, params, notes }: StudyTrial<P>): TrialFacts<P> {
    const { [NOTE.budget]: budget } = notes;
    return {
      number,
      params,
      budget: typeof budget === 'number' ? budget : undefined,
      folder: this.folderOf(number),
      continues: this.begunBefore(number).find(holdsSomething),
    };
  }

  /**
   * Folders of what a trial goes on from: its earlier tries, the last one first, then what they continued.
   */
  private begunBefore(number: number): string[] {
    const tries = [number];
    for (;;) {
      const { notes } = this.study.trials[tries.at(-1)!]!;
      const before = notes[NOTE.retryOf];
      if (typeof before === 'number' && before >= 0 && before < tries.at(-1)!) tries.push(before);
      else return [...tries.slice(1), notes[NOTE.continues]].flatMap((one) => this.folderOf(one) ?? []);
    }
  }

  private folderOf(number: unknown): string | undefined {
    const { folder } = this.study;
    if (folder === undefined || typeof number !== 'number') return undefined;
    return trialFolder(folder, number);
  }
}
