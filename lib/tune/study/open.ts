/** Opens a study: makes it, or takes up one whose record fits. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FormatError, IoError, OptionError } from '../../errors';
import { bool, checkKeys, checkList, clip, nonEmptyString, oneOf, problemOf, show } from '../../options';

import type { Json } from '../../settings';
import { rules as ruleMakers } from '../rules/registry';
import type { Rule } from '../rules/rule';
import type { Dimension } from '../space/dimension';
import { sameDomain } from '../space/domain';
import { spaceOfTrials } from '../space/derive';
import { readSpace, type Space } from '../space/parameters';
import { dimensionsOf } from '../space/space';
import { tpe } from '../strategies/makers';
import { strategies } from '../strategies/registry';
import type { Strategy } from '../strategies/strategy';
import { isCompatible } from './distribution';
import type { Home } from './home';
import { journal } from './journal';
import { StudyLog, type Unsigned } from './log';
import { NOTE } from './notes';
import { DIRECTION, OP } from './operation';
import type { Replay } from './replay';
import { Study } from './study';
import type { Direction } from './trial';

/** Options of `tune.study`. */
export interface StudyOptions<S extends Space = Space> {
  /** What to search. Default: what the study's record says, or the trials of a study that Optuna made. */
  readonly space?: S;
  /** Whether small or large values are good. Default: what the record says, `'minimize'` for a new study. */
  readonly direction?: Direction;
  /** The same for each of several objectives. */
  readonly directions?: readonly Direction[];
  /** Default: what the record says, `tune.tpe()` for a new study. */
  readonly strategy?: Strategy;
  /** What ends trials early, asked in this order. Default: what the record says, none for a new study. */
  readonly rules?: readonly Rule[];
  /**
   * For a study in a home: where its trials may leave checkpoints, in `trials/NNNN`. Machines that share the
   * study need one that all of them see. Default: none; a study in a folder has that folder.
   */
  readonly folder?: string;
  /** The study's name within its log. Default: the only study of the log, `study` for a new one. */
  readonly name?: string;
  /**
   * Goes on with another space, strategy or other rules than before, and records them. Ranges may change and
   * parameters come and go; choices and kinds of a parameter stay, since Optuna's format wants them so.
   * Default false.
   */
  readonly extend?: boolean;
}

const KEYS = ['space', 'direction', 'directions', 'strategy', 'rules', 'folder', 'name', 'extend'];
const WHERE = 'tune.study';

/**
 * Opens the study of a folder, or of a home, and makes it where there is none. In a folder, `study.log` is
 * the journal, which several processes and hosts may work on at once, and `trials/` is for checkpoints.
 *
 * `const study = await tune.study('runs/search', { space: { lr: tune.logUniform(1e-4, 1) } });`
 * `for await (const trial of study.run(objective, { trials: 50 })) console.log(trial.params, trial.value);`
 * @param place the path of a folder, `tune.memory()`, `tune.journal(path)` or `tune.postgres({ ... })`
 * @throws OptionError for options that are wrong, or that differ from those of the study's record;
 *   FormatError for a log that is damaged or not one; DataError, IoError where it cannot be reached
 */
export async function study<const S extends Space>(
  place: string | Home,
  options: StudyOptions<S> = {},
): Promise<Study<S>> {
  checkKeys(WHERE, options, KEYS);
  const { strategy, name } = options;
  const given: Given = {
    space: options.space === undefined ? undefined : readSpace(WHERE, options.space),
    directions: directionsOf(options),
    strategy: strategy === undefined ? undefined : checkStrategy(strategy),
    rules: options.rules === undefined ? undefined : checkRules(options.rules),
    extend: bool(WHERE, 'extend', options.extend ?? false),
  };
  const folder = folderOf(place, options.folder);
  const home = typeof place === 'string' ? await folderHome(place) : checkHome(place);
  try {
    const wanted = name === undefined ? undefined : nonEmptyString(WHERE, 'name', name);
    return await open<S>(home, folder, wanted ?? (await onlyStudy(home)), given);
  } catch (error) {
    if (typeof place === 'string') await home.close();
    throw error;
  }
}

interface Given {
  readonly space: Space | undefined;
  readonly directions: readonly Direction[] | undefined;
  readonly strategy: Strategy | undefined;
  readonly rules: readonly Rule[] | undefined;
  readonly extend: boolean;
}

function folderOf(place: string | Home, folder: string | undefined): string | undefined {
  if (typeof place !== 'string' && folder === undefined) return undefined;
  if (typeof place === 'string' && folder !== undefined)
    throw new OptionError(
      `${WHERE}: folder belongs to a home such as tune.postgres(); ${show(place)} is one`,
    );
  return resolve(nonEmptyString(WHERE, 'folder', typeof place === 'string' ? place : folder));
}

async function folderHome(folder: string): Promise<Home> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new IoError(`${WHERE}: ${clip(folder)} cannot be made: ${problemOf(error)}`, { cause: error });
  }
  return journal(join(folder, 'study.log'));
}

function checkHome(home: unknown): Home {
  const methods = ['read', 'append', 'beat', 'heartbeats', 'quiet', 'close'];
  const whole =
    typeof home === 'object' &&
    home !== null &&
    methods.every((name) => typeof (home as Record<string, unknown>)[name] === 'function');
  if (!whole)
    throw new OptionError(
      `${WHERE}: expected the path of a folder, or a home such as tune.journal(path), got ${show(home)}`,
    );
  return home as Home;
}

function directionsOf({ direction, directions }: StudyOptions): readonly Direction[] | undefined {
  if (direction !== undefined && directions !== undefined)
    throw new OptionError(`${WHERE}: direction or directions, not both`);
  if (direction === undefined && directions === undefined) return undefined;
  const list: unknown = directions ?? [direction];
  checkList(WHERE, 'directions', list);
  if (list.length < 1 || list.length > 100)
    throw new OptionError(`${WHERE}: directions must be 1 to 100, got ${list.length}`);
  return list.map((one) => oneOf(WHERE, 'direction', one, ['minimize', 'maximize']));
}

function checkStrategy(strategy: unknown): Strategy {
  if (typeof strategy === 'object' && strategy !== null && 'suggest' in strategy && 'settings' in strategy)
    return strategy as Strategy;
  throw new OptionError(`${WHERE}: strategy must be one, such as tune.tpe(), got ${show(strategy)}`);
}

function checkRules(rules: unknown): readonly Rule[] {
  checkList(WHERE, 'rules', rules);
  return rules.map((rule, i) => {
    if (typeof rule === 'object' && rule !== null && 'stops' in rule && 'name' in rule) return rule as Rule;
    throw new OptionError(`${WHERE}: rule ${i} must be one, such as tune.median(), got ${show(rule)}`);
  });
}

/** The name of the only study in a log, or of the one to make. */
async function onlyStudy(home: Home): Promise<string> {
  const log = new StudyLog(home, '');
  await log.sync();
  const [name = 'study', ...others] = log.replay.names;
  if (others.length === 0) return name;
  throw new OptionError(
    `${WHERE}: ${home.name} holds several studies; name must be one of ${clip(log.replay.names.join(', '))}`,
  );
}

async function open<S extends Space>(
  home: Home,
  folder: string | undefined,
  name: string,
  given: Given,
): Promise<Study<S>> {
  const log = new StudyLog(home, name);
  const { replay } = log;
  // What the record says is read once, to know the dimensions before trials are shown.
  await log.sync();
  const fresh = replay.id === undefined;
  const recorded = readRecord(home.name, replay.notes);
  if (fresh && given.space === undefined)
    throw new OptionError(`${WHERE}: ${home.name} has no study ${clip(name)} yet, so it needs a space`);
  const known = given.space ?? recorded.space;
  const space = known ?? derivedSpace(home.name, replay);
  const dimensions = dimensionsOf(WHERE, space);
  const directions = given.directions ?? (fresh ? ['minimize'] : replay.directions);
  const strategy = given.strategy ?? recorded.strategy ?? tpe();
  const rules = given.rules ?? recorded.rules ?? [];
  strategy.check(dimensions, directions);
  if (rules.length > 0 && directions.length > 1)
    throw new OptionError(`${WHERE}: rules need one direction, and the study has ${directions.length}`);
  const record: Written = { directions, space, strategy, rules };
  await log.append(() => {
    if (replay.id === undefined) return creation(name, record, replay.nextStudyId);
    const now = readRecord(home.name, replay.notes);
    const changed = changes(home.name, record, given, { ...now, directions: replay.directions }, replay.id);
    // A study of Optuna's whose space nobody has said stays as it is.
    return known === undefined ? [] : changed;
  });
  replay.search(dimensions);
  return new Study<S>({ log, name, space: space as S, dimensions, strategy, rules, folder });
}

/** The space of a study that was not made here. @throws OptionError where its trials do not say */
function derivedSpace(file: string, { trials }: Replay): Space {
  const where = `${WHERE}: the study in ${file} was not made here`;
  try {
    const space = spaceOfTrials(
      'its trials',
      trials.map(({ dimensions }) => dimensions),
    );
    if (space !== undefined) return space;
  } catch (error) {
    throw new OptionError(`${where}, so it needs a space: ${problemOf(error)}`, { cause: error });
  }
  throw new OptionError(`${where} and has no trials, so it needs a space`);
}

interface Written {
  readonly directions: readonly Direction[];
  readonly space: Space;
  readonly strategy: Strategy;
  readonly rules: readonly Rule[];
}

interface Recorded {
  readonly space: Space | undefined;
  readonly strategy: Strategy | undefined;
  readonly rules: readonly Rule[] | undefined;
  readonly notes: ReadonlyMap<string, Json>;
}

/** @throws FormatError */
function readRecord(file: string, notes: ReadonlyMap<string, Json>): Recorded {
  try {
    const space = notes.get(NOTE.space);
    return {
      space: space === undefined ? undefined : readSpace('its space', space),
      strategy: strategyOf(notes.get(NOTE.strategy)),
      rules: rulesOf(notes.get(NOTE.rules)),
      notes,
    };
  } catch (error) {
    throw new FormatError(`${clip(file)}: the study's record is damaged: ${problemOf(error)}`, {
      cause: error,
    });
  }
}

/** Undefined also for a strategy that somebody wrote himself. */
function strategyOf(json: Json | undefined): Strategy | undefined {
  const { name, seed = null, settings } = fieldsOf(json);
  const maker = typeof name === 'string' && Object.hasOwn(strategies, name) ? strategies[name] : undefined;
  return maker?.(maker.settings.fromJson(WHERE, { ...fieldsOf(settings), seed }));
}

/** Undefined also where somebody wrote one of them himself. */
function rulesOf(json: Json | undefined): readonly Rule[] | undefined {
  if (!Array.isArray(json)) return undefined;
  const made = json.map((rule: Json) => {
    const { name, settings } = fieldsOf(rule);
    const maker = typeof name === 'string' && Object.hasOwn(ruleMakers, name) ? ruleMakers[name] : undefined;
    return maker?.(maker.settings.fromJson(WHERE, fieldsOf(settings)));
  });
  return made.every((rule) => rule !== undefined) ? made : undefined;
}

function fieldsOf(json: Json | undefined): Readonly<Record<string, Json>> {
  return typeof json === 'object' && json !== null ? (json as Readonly<Record<string, Json>>) : {};
}

function notesOf({ space, strategy, rules }: Written): Readonly<Record<string, Json>> {
  const { name, seed, settings } = strategy;
  return {
    [NOTE.space]: JSON.parse(JSON.stringify(space)) as Json,
    [NOTE.strategy]: { name, seed, settings },
    [NOTE.rules]: rules.map((rule) => ({ name: rule.name, settings: rule.settings })),
  };
}

function creation(name: string, record: Written, study_id: number): readonly Unsigned[] {
  const directions = record.directions.map((one) => DIRECTION[one]);
  return [
    { op_code: OP.createStudy, study_name: name, directions },
    ...Object.entries(notesOf(record)).map(([key, value]): Unsigned => ({
      op_code: OP.setStudySystemAttribute,
      study_id,
      system_attr: { [key]: value },
    })),
  ];
}

/** What has to be written for a study that is there already. @throws OptionError naming the difference */
function changes(
  file: string,
  record: Written,
  given: Given,
  before: Recorded & { readonly directions: readonly Direction[] },
  study_id: number,
): readonly Unsigned[] {
  if (record.directions.join() !== before.directions.join())
    throw new OptionError(
      `${WHERE}: ${file} was made to ${before.directions.join(', ')}, not to ${record.directions.join(', ')}`,
    );
  if (before.space !== undefined) checkSpace(file, given, record.space, before.space);
  return Object.entries(notesOf(record)).flatMap(([key, value]): Unsigned[] => {
    const old = before.notes.get(key);
    if (JSON.stringify(old) === JSON.stringify(value)) return [];
    // Also for what somebody wrote himself and has to pass again, since the record cannot make it.
    if (old !== undefined && !given.extend && key !== NOTE.space)
      throw new OptionError(
        `${WHERE}: ${file} was made with ${describe(old)}, not with ${describe(value)}; extend: true goes on so`,
      );
    return [{ op_code: OP.setStudySystemAttribute, study_id, system_attr: { [key]: value } }];
  });
}

function describe(json: Json): string {
  return clip(JSON.stringify(json));
}

function checkSpace(file: string, { extend }: Given, space: Space, before: Space): void {
  const now = new Map(dimensionsOf(WHERE, space).map((one) => [one.name, one]));
  for (const old of dimensionsOf(WHERE, before)) {
    const dimension = now.get(old.name);
    now.delete(old.name);
    if (dimension !== undefined && sameDimension(old, dimension)) continue;
    if (dimension !== undefined && !isCompatible(old.domain, dimension.domain))
      throw new OptionError(
        `${WHERE}: ${old.name} has another kind or other choices than in ${file}, which Optuna's format ` +
          `does not allow; call it otherwise, or begin a new study`,
      );
    if (!extend) {
      const how = dimension === undefined ? 'is not in the space any more' : 'has another range';
      throw new OptionError(`${WHERE}: ${old.name} ${how} than in ${file}; extend: true goes on so`);
    }
  }
  const [added] = now.keys();
  if (added !== undefined && !extend)
    throw new OptionError(`${WHERE}: ${added} is not in the space of ${file}; extend: true adds it`);
  if (
    !extend &&
    JSON.stringify(space) !== JSON.stringify(before) &&
    constantsOf(space) !== constantsOf(before)
  )
    throw new OptionError(
      `${WHERE}: the constants of the space differ from those in ${file}; extend: true goes on so`,
    );
}

function sameDimension(a: Dimension, b: Dimension): boolean {
  return sameDomain(a.domain, b.domain) && JSON.stringify(a.when) === JSON.stringify(b.when);
}

/** The constants of branches too, whatever their order. */
function constantsOf(space: Space): string {
  const found: string[] = [];
  const collect = (entries: Space, prefix: string): void => {
    for (const [name, entry] of Object.entries(entries)) {
      if (typeof entry !== 'object' || entry === null) found.push(JSON.stringify([prefix + name, entry]));
      else if (entry.type === 'conditional')
        for (const [branch, inner] of Object.entries(entry.branches))
          collect(inner, `${prefix}${name}.${branch}.`);
    }
  };
  collect(space, '');
  return found.sort().join();
}
