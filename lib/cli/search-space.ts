/** The space of `tenon tune`: settings of `tenon train`, each searched or constant. */
import { FormatError, OptionError } from '../errors';
import { readText } from '../files/read';
import { checkKeys, clip, clipList, messageOf, problemOf } from '../options';
import type { Dimension, Point, Value } from '../tune/space/dimension';
import { countOf, exists } from '../tune/space/domain';
import { readSpace, type Parameter, type Space } from '../tune/space/parameters';
import { dimensionsOf, flatValues, suggestionOf } from '../tune/space/space';
import { UsageError } from './exit-codes';
import { spelled } from './flags';
import type { RecipeFlags } from './recipe';
import { parseSearch } from './search-grammar';
import {
  recipeOf,
  SEARCHABLE,
  settingNamed,
  settingsOf,
  valueOfWord,
  wordOf,
  type Metric,
} from './trial-settings';

const WHERE = 'the space';

/** What the command line says about a space. */
export interface SpaceFlags {
  /** A file of JSON. */
  readonly space?: string | undefined;
  readonly search?: readonly string[] | undefined;
  readonly metric: Metric;
  /** Settings that all trials share. */
  readonly given: RecipeFlags;
}

/**
 * The space that the options ask for, checked against what `tenon train` takes: every value and every pair of
 * choices, before the first trial.
 * @throws OptionError, UsageError; FormatError for a file that is not JSON
 */
export async function searchSpace({ space: file, search = [], metric, given }: SpaceFlags): Promise<Space> {
  if (file === undefined && search.length === 0)
    throw new UsageError("say what to search, as in --search 'lr=log(1e-4,1)', or in a file with --space");
  const fromFile = file === undefined ? {} : await spaceIn(file);
  const parsed = search.map((text) => parseSearch('--search', text));
  const twice = parsed.find(([name], i) => name in fromFile || parsed.findIndex(([n]) => n === name) < i);
  if (twice !== undefined)
    throw new UsageError(`${twice[0]} is searched twice: --search ${spelled(twice[0])}`);
  const searched: Space = { ...fromFile, ...Object.fromEntries(parsed) };
  const constants: [string, Space[string]][] = [];
  for (const [name, value] of Object.entries(given)) {
    const entry = searched[name];
    if (typeof entry === 'object' && entry !== null)
      throw new UsageError(`${spelled(name)} is given, and ${name} is searched: leave one of them out`);
    constants.push([name, wordOf(value)]);
  }
  const space = readSpace(WHERE, { ...searched, ...Object.fromEntries(constants) });
  checkEntries(WHERE, space);
  const whole = { ...space, metric };
  checkPairs(whole, dimensionsOf('tenon tune', whole));
  return whole;
}

async function spaceIn(file: string): Promise<Space> {
  const text = await readText(file);
  try {
    return readSpace(clip(file), JSON.parse(text));
  } catch (error) {
    if (error instanceof OptionError) throw error;
    throw new FormatError(`${clip(file)}: not valid JSON (${problemOf(error)})`, { cause: error });
  }
}

/** Every name is one of `tenon train`, and every value is one that it takes. */
function checkEntries(where: string, space: Space): void {
  checkKeys(where, space, SEARCHABLE);
  const names = Object.entries(space).flatMap((entry) => namesOf(entry));
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new UsageError(`${where}: ${twice} stands at two places, and a trial needs one value of it`);
  for (const [name, entry] of Object.entries(space)) {
    const check = (value: Value): unknown => valueOfWord(where, name, settingNamed(name)!, value);
    if (typeof entry !== 'object' || entry === null) check(entry);
    else if (entry.type === 'choice') entry.choices.forEach(check);
    else if (entry.type !== 'conditional') checkRange(name, entry, check);
    else
      for (const [branch, inner] of Object.entries(entry.branches)) {
        check(branch);
        checkEntries(`${where}: ${name}.${branch}`, inner);
      }
  }
}

/** The name of an entry and those that its branches bring, each once. */
function namesOf([name, entry]: readonly [string, Space[string]]): readonly string[] {
  if (typeof entry !== 'object' || entry?.type !== 'conditional') return [name];
  const inner = Object.values(entry.branches).flatMap((branch) => Object.entries(branch).flatMap(namesOf));
  return [name, ...new Set(inner)];
}

/** A setting takes a range if it takes its ends, and what lies between. */
function checkRange(
  name: string,
  parameter: Exclude<Parameter, { readonly type: 'choice' | 'conditional' }>,
  check: (value: number) => unknown,
): void {
  const { type, low, high } = parameter;
  check(low);
  check(high);
  const steps = type === 'integer' || ('step' in parameter && parameter.step !== undefined);
  if (steps || low === high) return;
  const between = low + 0.38196601125 * (high - low);
  try {
    check(between);
  } catch (error) {
    const whole = settingNamed(name)?.domain.type === 'integer';
    const hint = whole ? `; ${name} takes whole numbers: the range must be of type "integer"` : '';
    throw new OptionError(`${messageOf(error)}${hint}`, { cause: error });
  }
}

/** More pairs of choices than this are not tried beforehand. */
const MOST_PAIRS = 5000;

/** @throws UsageError for settings that contradict each other in some trials, or in all */
function checkPairs(space: Space, dimensions: readonly Dimension[]): void {
  let fault: { readonly error: UsageError; readonly point: Point } | undefined;
  let fine = false;
  let left = MOST_PAIRS;
  for (const point of pairs(dimensions)) {
    if ((fault !== undefined && fine) || left-- === 0) break;
    const error = faultOf(space, point);
    if (error === undefined) fine = true;
    else fault ??= { error, point };
  }
  if (fault === undefined) return;
  const { error, point } = fault;
  if (!fine) throw error;
  const choices = dimensions.filter(({ domain }) => domain.type === 'choice');
  const chosen = Object.entries(flatValues(choices, point)).map(([name, value]) => `${name}=${value}`);
  throw new UsageError(
    `${error.message}. The space has trials with ${clipList(chosen)}; what only some choices take belongs into their parentheses, as in optimizer=sgd(momentum=0.9|0.99)|adam`,
    { cause: error },
  );
}

function faultOf(space: Space, point: Point): UsageError | undefined {
  try {
    recipeOf(settingsOf(suggestionOf(space, point)));
    return undefined;
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

/** Points in which each pair of choices comes once, with the first of everything else. */
function* pairs(dimensions: readonly Dimension[]): Generator<Point> {
  const choices = dimensions.map(({ domain }) => (domain.type === 'choice' ? countOf(domain) : 1));
  yield pointWith(dimensions, {});
  for (const [a, first] of dimensions.entries())
    for (let i = 1; i < choices[a]!; i++) {
      yield pointWith(dimensions, { [first.name]: i });
      for (let b = a + 1; b < dimensions.length; b++)
        for (let j = 1; j < choices[b]!; j++)
          yield pointWith(dimensions, { [first.name]: i, [dimensions[b]!.name]: j });
    }
}

function pointWith(dimensions: readonly Dimension[], chosen: Point): Point {
  const point: Record<string, number> = {};
  for (const dimension of dimensions) {
    if (!exists(dimension, point)) continue;
    const { name, domain } = dimension;
    point[name] = chosen[name] ?? (domain.type === 'choice' ? 0 : domain.low);
  }
  return point;
}
