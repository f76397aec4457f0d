/** Which trials keep their models and checkpoints: a study of a large network must not fill the disk. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { trialFolder } from '../tune/run/folders';
import type { StudyTrial } from '../tune/run/runnable';
import { NOTE } from '../tune/study/notes';
import type { Study } from '../tune/study/study';

type AnyTrial = StudyTrial<unknown>;

export class KeptModels {
  private readonly emptied = new Set<number>();

  constructor(
    private readonly study: Study,
    /** How many of the best trials keep everything. */
    private readonly count: number,
  ) {}

  /** Deletes models and checkpoints that nobody needs. The history of each trial stays. */
  async tidy(): Promise<void> {
    const { folder, trials } = this.study;
    if (folder === undefined) return;
    const needed = this.needed();
    for (const { number } of trials) {
      if (needed.has(number) || this.emptied.has(number)) continue;
      const place = trialFolder(folder, number);
      // What cannot be deleted must not end the search.
      const remove = (name: string): Promise<void> =>
        rm(join(place, name), { recursive: true, force: true }).catch(() => undefined);
      await remove('checkpoints');
      await remove('model.safetensors');
      this.emptied.add(number);
    }
  }

  /** The best trials, those that have not ended and what they continue, and those that may be continued. */
  private needed(): ReadonlySet<number> {
    const { trials, directions, strategy } = this.study;
    const open = trials.filter(({ state }) => state === 'running' || state === 'waiting');
    const before = open.flatMap(({ notes }) => [notes[NOTE.continues], notes[NOTE.retryOf]]);
    const promotable = strategy.mayContinue?.({ trials, directions }) ?? [];
    const numbers = [...this.best(), ...open, ...promotable].map(({ number }) => number);
    return new Set([...numbers, ...before.filter((number) => typeof number === 'number')]);
  }

  private best(): readonly AnyTrial[] {
    const sign = this.study.directions[0] === 'maximize' ? -1 : 1;
    const complete = this.study.trials.filter(
      ({ state, value }) => state === 'complete' && value !== undefined,
    );
    complete.sort((a, b) => sign * ((a.value ?? NaN) - (b.value ?? NaN)) || a.number - b.number);
    return complete.slice(0, this.count);
  }
}
