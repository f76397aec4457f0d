/** What a search says while it runs: a line for each trial and, on a terminal, a bar. */
import { Presets, SingleBar } from 'cli-progress';
import { clip } from '../options';
import type { StudyTrial } from '../tune/run/runnable';
import { flatValues } from '../tune/space/space';
import { NOTE } from '../tune/study/notes';
import type { Study } from '../tune/study/study';
import type { Session } from './session';
import { oneLine } from './skipped';

type AnyTrial = StudyTrial<unknown>;

/** Milliseconds between two looks at the trials that run. */
const PACE = 500;

export class TuneProgress {
  private bar: SingleBar | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly session: Pick<Session, 'output' | 'streams'>,
    private readonly study: Study,
    /** How many trials there will be; undefined where nobody knows. */
    private readonly total: number | undefined,
  ) {}

  begin(): void {
    if (!this.session.output.interactive) return;
    this.show();
    this.timer = setInterval(() => this.show(), PACE).unref();
  }

  /** Tells of a trial that has ended. */
  ended(trial: AnyTrial): void {
    const { output } = this.session;
    const best = this.study.best?.number === trial.number;
    output.event('trial', {
      number: trial.number,
      state: trial.state,
      value: trial.value ?? null,
      params: { ...paramsOf(this.study, trial) },
      ...(epochsOf(trial) !== undefined && { epochs: epochsOf(trial) }),
      seconds: secondsOf(trial),
      reason: reasonOf(trial) ?? null,
      best,
    });
    if (output.json) return;
    this.clear();
    output.line(lineOf(this.study, trial, best));
    if (this.timer !== undefined) this.show();
  }

  end(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.clear();
  }

  private show(): void {
    const ended = this.study.trials.filter(({ state }) => state !== 'running' && state !== 'waiting').length;
    const running = this.study.trials.filter(({ state }) => state === 'running').map(runningText);
    const { best } = this.study;
    const text = best?.value === undefined ? '' : `best ${shown(best.value)} (trial ${best.number})`;
    this.bar ??= this.start();
    this.bar.update(ended, { text: [text, ...running].filter((part) => part !== '').join('  ') });
  }

  private start(): SingleBar {
    const format =
      this.total === undefined ? '{value} trials  {text}' : '{bar} {value}/{total} trials  {text}';
    const stream = this.session.streams.stdout as NodeJS.WriteStream;
    const bar = new SingleBar(
      { format, stream, clearOnComplete: true, hideCursor: true, barsize: 20 },
      Presets.shades_classic,
    );
    bar.start(this.total ?? 0, 0, { text: '' });
    return bar;
  }

  private clear(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
}

/** What the strategy chose, by flat names. */
export function paramsOf(study: Study, { point }: AnyTrial): ReturnType<typeof flatValues> {
  return flatValues(study.dimensions, point);
}

function runningText({ number, reports }: AnyTrial): string {
  const last = reports.at(-1);
  return last === undefined ? `${number}: ...` : `${number}: epoch ${last.step}, ${shown(last.value)}`;
}

function lineOf(study: Study, trial: AnyTrial, best: boolean): string {
  const { number, state, value } = trial;
  const params = Object.entries(paramsOf(study, trial)).map(([name, word]) => `${name} ${word4(word)}`);
  const parts = [
    `trial ${String(number).padStart(3)}`,
    state.padEnd(8),
    `${value === undefined ? '' : shown(value)}${best ? ' *' : ''}`.padEnd(9),
    params.join(', '),
    `${secondsOf(trial).toFixed(1)} s`,
  ];
  const reason = reasonOf(trial);
  return parts.join('  ') + (reason === undefined ? '' : `  (${clip(oneLine(reason))})`);
}

/** Why it did not complete. */
export function reasonOf({ notes }: AnyTrial): string | undefined {
  const reason = notes[NOTE.error] ?? notes[NOTE.reason];
  return typeof reason === 'string' ? reason : undefined;
}

function epochsOf({ reports }: AnyTrial): number | undefined {
  return reports.at(-1)?.step;
}

function secondsOf({ started, ended }: AnyTrial): number {
  return started === undefined || ended === undefined ? 0 : (ended - started) / 1000;
}

function word4(word: unknown): string {
  return typeof word === 'number' ? shown(word) : clip(String(word));
}

/** With as many digits as people read. */
export function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}
