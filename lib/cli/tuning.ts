/** What `tenon tune` does: the study, its trials in worker processes, what came of it. */
import { join } from 'node:path';
import { AbortedError, DataError } from '../errors';
import { setThreads } from '../native';
import { clip } from '../options';
import type { Json } from '../settings';
import { dashboard } from '../tune/report/dashboard';
import { trialFolder } from '../tune/run/folders';
import type { RunOptions } from '../tune/run/options';
import type { StudyTrial } from '../tune/run/runnable';
import type { Dimension } from '../tune/space/dimension';
import type { Space } from '../tune/space/parameters';
import { dimensionsOf } from '../tune/space/space';
import type { Strategy } from '../tune/strategies/strategy';
import { NOTE } from '../tune/study/notes';
import type { StudyOptions } from '../tune/study/open';
import type { Study } from '../tune/study/study';
import type { TrialState } from '../tune/study/trial';
import { withPolicyFiles } from './augmentations';
import { EXIT, UsageError } from './exit-codes';
import { spelled } from './flags';
import { requireOneProcess } from './job';
import { KeptModels } from './kept-models';
import type { RecipeFlags } from './recipe';
import { withDataset } from './recognize';
import { holdsStudy, openRecorded, openStudy, withoutPassword } from './recorded-study';
import { searchSpace } from './search-space';
import type { Session } from './session';
import { oneLine } from './skipped';
import { shellWord, trainCommandOf } from './train-command';
import { directionOf, metricOf, wordOf, type Metric } from './trial-settings';
import { parseRules, parseStrategy } from './tune-calls';
import { paramsOf, reasonOf, shown, TuneProgress } from './tune-progress';
import { hasEnded, News, openOnRanks, othersEnded } from './tune-ranks';

/** What the command line says of a search. */
export interface TuneFlags {
  readonly search?: readonly string[] | undefined;
  readonly space?: string | undefined;
  readonly metric?: Metric | undefined;
  readonly strategy?: string | undefined;
  readonly rules?: string | undefined;
  readonly trials?: number | undefined;
  readonly minutes?: number | undefined;
  readonly trialMinutes?: number | undefined;
  /** `mpi`: one trial on each rank that a launcher started. */
  readonly workers: number | 'mpi';
  readonly retries: number;
  readonly keepBest: number;
  /** A database, where the log is not in the folder. */
  readonly study?: string | undefined;
  readonly name?: string | undefined;
  readonly out?: string | undefined;
  /** The empty text: the folder of `out`. */
  readonly resume?: string | undefined;
  readonly extend: boolean;
  readonly threads?: number | undefined;
  /** The port of a page that follows the search. */
  readonly dashboard?: number | undefined;
  /** The settings that all trials share. */
  readonly settings: RecipeFlags;
}

const TRIAL = join(__dirname, 'tune-trial.js');
const USUAL_TRIALS = 50;
/** Failures in a row, before any success, after which there is no point in going on. */
const MOST_FAILURES = 3;
/** What may change between two sittings of a study: it is where the same data are. */
const HARMLESS: readonly string[] = ['data', 'limits'];

/** Searches, and returns the exit code. */
export async function tune(session: Session, flags: TuneFlags): Promise<number> {
  if (flags.threads !== undefined) setThreads(flags.threads);
  const make = (): Promise<Study> => (flags.resume === undefined ? begin(flags) : resume(flags));
  if (flags.workers !== 'mpi') {
    // Each rank would make a study of its own.
    requireOneProcess(': --workers mpi shares the trials out among them');
    const study = await make();
    return closing(study, () => search(session, study, flags, 1));
  }
  const opened = await openOnRanks(make, async () => (await openFound(flags)).study);
  if (typeof opened === 'number') return opened;
  const { rank, size, study } = opened;
  if (rank > 0) session.output.mute(`rank ${rank}`);
  return closing(study, () =>
    rank === 0 ? search(session, study, flags, size) : assist(session, study, flags),
  );
}

async function closing(study: Study, body: () => Promise<number>): Promise<number> {
  try {
    return await body();
  } finally {
    await study.close();
  }
}

/** The study's folder, as the user calls it. */
function folderOf({ resume, out, settings }: TuneFlags, dataset: unknown = settings.dataset): string {
  if (resume !== undefined && resume !== '') return resume;
  return out ?? `runs/tune-${typeof dataset === 'string' ? dataset : 'glyphs'}`;
}

/** Where the log is: the folder, unless it is a database. */
function placeOf({ study, name }: TuneFlags, folder: string): { place: string; options: StudyOptions } {
  const named = name === undefined ? {} : { name };
  return study === undefined
    ? { place: folder, options: named }
    : { place: study, options: { ...named, folder } };
}

/** Makes a study. @throws UsageError where there is one */
async function begin(flags: TuneFlags): Promise<Study> {
  if (flags.extend) throw new UsageError('--extend belongs to --resume');
  const given = await withDataset(await withPolicyFiles(flags.settings));
  const folder = folderOf(flags, given.dataset);
  const { metric = 'validationAccuracy', space, search: texts } = flags;
  const { place, options } = placeOf(flags, folder);
  if (flags.study === undefined && (await holdsStudy(folder)))
    throw new UsageError(
      `${clip(folder)} holds a study: continue with --resume ${clip(folder)}, choose another --out, or delete it`,
    );
  const whole = await searchSpace({ space, search: texts, metric, given });
  const strategy = parseStrategy('--strategy', flags.strategy ?? 'tpe', given.seed);
  const direction = directionOf(metric);
  strategy.check(dimensionsOf(folder, whole), [direction]);
  checkEpochs(strategy, whole);
  const rules = parseRules('--rules', flags.rules ?? 'diverged');
  const study = await openStudy(place, { ...options, space: whole, direction, strategy, rules });
  if (study.trials.length === 0) return study;
  await study.close();
  throw new UsageError(`${study.name} holds a study: continue with --resume, or name another log`);
}

/** @throws UsageError where both the strategy and the space say how long trials train */
function checkEpochs({ name, settings }: Strategy, space: Space): void {
  if (!('epochs' in space) || !('maxResource' in settings || 'budgets' in settings)) return;
  throw new UsageError(
    `--epochs: ${name} decides how long a trial trains; give --strategy '${name}(...)' alone`,
  );
}

/** Opens a study again, with what the options change. @throws DataError where there is none, UsageError */
async function resume(flags: TuneFlags): Promise<Study> {
  const { study, place, options } = await openFound(flags);
  const changes = await changesOf(flags, study.space);
  if (changes === undefined) return study;
  await study.close();
  return openStudy(place, { ...options, extend: flags.extend, ...changes });
}

/** A study that is there, and where. @throws DataError where there is none */
async function openFound(flags: TuneFlags): Promise<{ study: Study; place: string; options: StudyOptions }> {
  const folder = folderOf(flags, (await withDataset(flags.settings)).dataset);
  const { place, options } = placeOf(flags, folder);
  return { study: await openRecorded(place, options), place, options };
}

/** What the options say of a study that is there; undefined for nothing. */
async function changesOf(flags: TuneFlags, recorded: Space): Promise<StudyOptions | undefined> {
  const { space: file, search: texts, strategy, rules, settings, extend } = flags;
  const before = metricOf(recorded);
  const { metric = before } = flags;
  const given = await withPolicyFiles(settings);
  const seed = given.seed ?? (typeof recorded['seed'] === 'number' ? recorded['seed'] : undefined);
  const options = {
    ...(strategy !== undefined && { strategy: parseStrategy('--strategy', strategy, seed) }),
    ...(rules !== undefined && { rules: parseRules('--rules', rules) }),
    ...(metric !== before && { direction: directionOf(metric) }),
  };
  if (file !== undefined || texts !== undefined)
    return { ...options, space: await searchSpace({ space: file, search: texts, metric, given }) };
  const changed = changedConstants(recorded, { ...given, ...(metric !== before && { metric }) }, extend);
  if (changed === undefined) return Object.keys(options).length === 0 ? undefined : options;
  return { ...options, space: { ...recorded, ...changed }, extend: true };
}

/**
 * Constants that differ from those of the record.
 * @throws UsageError for those that make it another search
 */
function changedConstants(recorded: Space, given: object, extend: boolean): Space | undefined {
  const changed: Record<string, Space[string]> = {};
  for (const [name, value] of Object.entries(given)) {
    const [word, before] = [wordOf(value), recorded[name]];
    if (word === before) continue;
    const where = spelled(name);
    if (typeof before === 'object' && before !== null)
      throw new UsageError(`${where}: the study searches ${name}; leave the option out`);
    const harmless = HARMLESS.includes(name);
    if (!harmless && !extend)
      throw new UsageError(
        `${where} ${clip(String(word))}: the study was begun ${before === undefined ? 'without it' : `with ${clip(String(before))}`}; leave the option out, or go on so with --extend`,
      );
    changed[name] = word;
  }
  return Object.keys(changed).length === 0 ? undefined : changed;
}

/** How many trials there will be in all; undefined: until the strategy ends, or the time does. */
function totalOf({ trials, minutes }: TuneFlags, strategy: Strategy): number | undefined {
  return trials ?? (endsByItself(strategy) || minutes !== undefined ? undefined : USUAL_TRIALS);
}

function endsByItself({ name, settings }: Strategy): boolean {
  if (name === 'grid' || name === 'coarseToFine') return true;
  const endless = settings['asynchronous'] === true && settings['trials'] === null;
  return typeof settings['rounds'] === 'number' && !endless;
}

/** The options of `study.run`. */
function limitsOf(
  { minutes, trialMinutes, retries, workers }: TuneFlags,
  total: number | undefined,
): RunOptions {
  return {
    ...(total !== undefined && { total }),
    ...(minutes !== undefined && { minutes }),
    ...(trialMinutes !== undefined && { trialMinutes }),
    workers: workers === 'mpi' ? 1 : workers,
    retries,
  };
}

/** The part of a rank that does not speak for the others: it runs trials. */
async function assist(session: Session, study: Study, flags: TuneFlags): Promise<number> {
  const { signal } = session;
  const limits = limitsOf(flags, totalOf(flags, study.strategy));
  try {
    for await (const trial of study.run(TRIAL, { ...limits, signal })) void trial;
  } catch (error) {
    if (!(error instanceof AbortedError) || !signal.aborted) throw error;
    return session.interruptedCode;
  }
  return EXIT.ok;
}

/** @param ranks how many work on the study; this one speaks for all */
async function search(session: Session, study: Study, flags: TuneFlags, ranks: number): Promise<number> {
  const { output, signal } = session;
  const folder = folderOf(flags, study.space['dataset']);
  const total = totalOf(flags, study.strategy);
  const limits = limitsOf(flags, total);
  const page = flags.dashboard === undefined ? undefined : await dashboard(study, { port: flags.dashboard });
  announce(session, study, { folder, total, workers: ranks * limits.workers!, page: page?.url });
  const kept = new KeptModels(study, flags.keepBest);
  const progress = new TuneProgress(session, study, total);
  const tell = async (ended: readonly StudyTrial<unknown>[]): Promise<void> => {
    for (const trial of ended) progress.ended(trial);
    await kept.tidy();
    requireSuccess(study);
  };
  const news = new News(study);
  // A bar is for a terminal: what a rank writes to goes through the launcher.
  if (ranks === 1) progress.begin();
  try {
    for await (const trial of study.run(TRIAL, { ...limits, signal }))
      await tell(ranks === 1 ? [trial] : news.take());
    if (ranks > 1) {
      await othersEnded(study, signal);
      await tell(news.take());
    }
  } catch (error) {
    if (!(error instanceof AbortedError) || !signal.aborted) throw error;
    progress.end();
    const log = flags.study === undefined ? '' : ` --study ${shellWord(withoutPassword(flags.study))}`;
    output.line(`stopped; continue with: tenon tune --resume ${shellWord(folder)}${log}`);
    return session.interruptedCode;
  } finally {
    progress.end();
    await page?.close();
  }
  return conclude(session, study, folder, withoutPassword(flags.study ?? folder));
}

function dimensionText({ name, domain }: Dimension): string {
  if (domain.type === 'choice') return `${name} ${domain.choices.map(String).join('|')}`;
  return `${name} ${shown(domain.low)} to ${shown(domain.high)}${domain.log ? ' (log)' : ''}`;
}

interface Announced {
  readonly folder: string;
  readonly total: number | undefined;
  readonly workers: number;
  /** The address of the page that follows the search. */
  readonly page: string | undefined;
}

function announce({ output }: Session, study: Study, { folder, total, workers, page }: Announced): void {
  const { space, strategy, rules, trials, directions } = study;
  const metric = metricOf(space);
  output.event('start', {
    out: folder,
    metric,
    direction: directions[0],
    space: JSON.parse(JSON.stringify(space)) as Json,
    strategy: { name: strategy.name, seed: strategy.seed, ...strategy.settings },
    rules: rules.map(({ name, settings }) => ({ name, ...settings })),
    trials: total,
    before: trials.length,
    workers,
    ...(page !== undefined && { dashboard: page }),
  });
  output.line(`study   ${folder}${trials.length === 0 ? '' : `, with ${trials.length} trials so far`}`);
  output.line(`search  ${study.dimensions.map(dimensionText).join(', ')}`);
  const ended = rules.length === 0 ? '' : `, stopped by ${rules.map(({ name }) => name).join(', ')}`;
  output.line(
    `for     the ${directions[0] === 'maximize' ? 'highest' : 'lowest'} ${metric}, by ${strategy.name}${ended}`,
  );
  if (page !== undefined) output.line(`page    ${page}`);
}

/** @throws DataError where it is plain from the first trials that all will fail */
function requireSuccess({ trials }: Study): void {
  const ended = trials.filter(({ state, notes }) => hasEnded(state) && notes[NOTE.lost] !== true);
  if (ended.length !== MOST_FAILURES || ended.some(({ state }) => state !== 'failed')) return;
  // Numbers in messages differ from trial to trial.
  const reasons = ended.map((trial) => reasonOf(trial) ?? '');
  if (new Set(reasons.map((reason) => reason.replaceAll(/[\d.]+/g, ''))).size > 1) return;
  throw new DataError(`the first ${MOST_FAILURES} trials failed: ${oneLine(reasons.at(-1) ?? '')}`);
}

/** Says which trial was best, and how to train like it. @throws DataError where none was completed */
function conclude({ output }: Session, study: Study, folder: string, place: string): number {
  const again = new Set(study.trials.map(({ notes }) => notes[NOTE.retryOf]));
  const ended = study.trials.filter(({ number }) => !again.has(number));
  const count = (state: TrialState): number => ended.filter((trial) => trial.state === state).length;
  const { best } = study;
  if (best?.value === undefined)
    throw new DataError(
      `no trial was completed: ${count('failed')} failed, ${count('pruned')} were stopped by rules`,
    );
  const model = join(trialFolder(folder, best.number), 'model.safetensors');
  const command = trainCommandOf(best);
  output.event('done', {
    trials: ended.length,
    complete: count('complete'),
    pruned: count('pruned'),
    failed: count('failed'),
    best: { number: best.number, value: best.value, params: { ...paramsOf(study, best) }, model, command },
  });
  output.line(
    `\n${count('complete')} trials completed, ${count('pruned')} stopped by rules, ${count('failed')} failed`,
  );
  output.line(`best    trial ${best.number}: ${metricOf(study.space)} ${shown(best.value)}`);
  output.line(`model   ${model}`);
  output.line(`repeat  ${command}`);
  output.line(`train   tenon train --from-study ${shellWord(place)}`);
  return EXIT.ok;
}
