/**
 * How much each parameter decides whether a trial is among the best: PED-ANOVA (Watanabe et al. 2023), with
 * parameters that exist in some trials only by the variance over regimes (condPED-ANOVA, arXiv 2601.20800),
 * as Optuna 5's PedAnovaImportanceEvaluator computes it.
 *
 * The density of a parameter among the best trials is held against its density among all. Where both agree,
 * the parameter decides nothing; their distance is Pearson's divergence.
 */
import { OptionError } from '../../errors';
import { checkKeys, checkList, checkObject, show } from '../../options';
import type { Domain } from '../space/dimension';
import { countOf } from '../space/domain';
import { bestOf, lossOf } from '../strategies/ranking';
import type { Direction, TrialRecord } from '../study/trial';
import { gridDensity } from './grid-density';

export interface ImportanceOptions {
  /** The share of the trials that count as the best, above 0 and below 1. Default 0.1. */
  readonly quantile?: number;
  /** Which objective, from 0. Default: all, of which the best are those on the first fronts. */
  readonly objective?: number;
}

/** A study, or what has its trials. */
export interface Judged {
  readonly trials: readonly TrialRecord[];
  readonly directions: readonly Direction[];
}

const WHERE = 'tune.importance';
/** Trials that a regime needs to say something. */
const LEAST_TRIALS = 2;

/**
 * The share of each parameter in what makes trials good, from the largest to the smallest; together they are
 * 1. All are 0 while fewer than two trials are complete, and where no parameter tells good trials from
 *    others. Trials with a value that is not finite do not count. There should be fifty trials or more: the
 *    best tenth of fewer says little.
 * @throws OptionError
 */
export function importance(study: Judged, options: ImportanceOptions = {}): ReadonlyMap<string, number> {
  checkObject(WHERE, 'study', study);
  checkList(WHERE, 'study.trials', study.trials);
  checkList(WHERE, 'study.directions', study.directions);
  checkKeys(WHERE, options, ['quantile', 'objective']);
  const { quantile = 0.1, objective } = options;
  if (typeof quantile !== 'number' || !(quantile > 0 && quantile < 1))
    throw new OptionError(`${WHERE}: quantile must be above 0 and below 1, got ${show(quantile)}`);
  if (objective !== undefined && study.directions[objective] === undefined)
    throw new OptionError(
      `${WHERE}: objective must be a whole number below ${study.directions.length}, got ${show(objective)}`,
    );
  const complete = study.trials.filter(({ state }) => state === 'complete');
  const trials = complete.filter(({ values = [NaN] }) => values.every(Number.isFinite));
  const best = new Set(bestShare(trials, study.directions, quantile, objective));
  const names = new Set(complete.flatMap(({ dimensions }) => dimensions.map(({ name }) => name)));
  const regimes = regimesOf(trials);
  const divergences = Array.from(names, (name) => {
    const all = [...(regimes.get(name)?.values() ?? [])];
    return [name, all.reduce((sum, one) => sum + divergenceOf(one, best, trials.length), 0)] as const;
  });
  const sum = divergences.reduce((all, [, one]) => all + one, 0);
  const shares = divergences.map(([name, one]) => [name, sum > 0 ? one / sum : 0] as const);
  return new Map(shares.sort(([, a], [, b]) => b - a));
}

/** The best share of the trials; with one objective, also all that are as good as the last of them. */
function bestShare(
  trials: readonly TrialRecord[],
  directions: readonly Direction[],
  quantile: number,
  objective: number | undefined,
): readonly TrialRecord[] {
  if (trials.length < 2) return [];
  const count = Math.ceil(quantile * trials.length);
  if (objective === undefined && directions.length > 1) return bestOf(trials, directions, count);
  const at = objective ?? 0;
  const losses = trials.map(({ values }) => lossOf(values?.[at], directions[at] ?? 'minimize'));
  const last = Float64Array.from(losses).sort()[count - 1]!;
  return trials.filter((_, i) => losses[i]! <= last);
}

/** Trials whose parameter had the same domain. */
interface Regime {
  readonly domain: Domain;
  readonly members: TrialRecord[];
  readonly values: number[];
}

/** The share of a regime among the best, squared, over its share among all, times its divergence. */
function divergenceOf(
  { domain, members, values }: Regime,
  best: ReadonlySet<TrialRecord>,
  trials: number,
): number {
  const good = values.filter((_, i) => best.has(members[i]!));
  if (members.length < LEAST_TRIALS || good.length === 0 || countOf(domain) < 2) return 0;
  const among = gridDensity(domain, values);
  const divergence = gridDensity(domain, good).reduce(
    (sum, density, cell) => sum + among[cell]! * (density / among[cell]! - 1) ** 2,
    0,
  );
  return (((good.length / best.size) ** 2 * trials) / members.length) * divergence;
}

/** By parameter, then by domain. */
function regimesOf(trials: readonly TrialRecord[]): ReadonlyMap<string, ReadonlyMap<string, Regime>> {
  const regimes = new Map<string, Map<string, Regime>>();
  const keys = new Map<Domain, string>();
  for (const trial of trials)
    for (const { name, domain } of trial.dimensions) {
      const value = Object.hasOwn(trial.point, name) ? trial.point[name] : undefined;
      if (value === undefined) continue;
      const key = keys.get(domain) ?? JSON.stringify(domain);
      keys.set(domain, key);
      const own = regimes.get(name) ?? new Map<string, Regime>();
      regimes.set(name, own);
      const regime = own.get(key) ?? { domain, members: [], values: [] };
      own.set(key, regime);
      regime.members.push(trial);
      regime.values.push(value);
    }
  return regimes;
}
