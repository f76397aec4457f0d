/**
 * The density of a parameter's values on a grid of at most 50 cells, by a mixture of one kernel for each cell
 * that has values and a prior. Kernels are as wide as Scott's rule (1992) says, which is narrower than those
 * of TPE. As Optuna 5's importance evaluator has it (_ped_anova/scott_parzen_estimator.py).
 */
import type { ChoiceDomain, Domain } from '../space/dimension';
import type { NumericDomain } from '../space/domain';
import { logMass } from '../strategies/normal';

const MOST_CELLS = 50;
/** 90% of the narrowest kernel lies within its cell. */
const LEAST_WIDTH = 0.5 / 1.64;

/** Probabilities of the cells, at each of which no density is 0. */
export function gridDensity(domain: Domain, values: readonly number[]): Float64Array {
  const counts = domain.type === 'choice' ? countChoices(domain, values) : countCells(domain, values);
  const observed = [...counts.keys()].filter((cell) => counts[cell]! > 0);
  const weights = observed.map((cell) => counts[cell]!);
  const kernel =
    domain.type === 'choice'
      ? choiceKernel(counts.length, observed)
      : numericKernel(counts.length, observed, weights);
  const whole = values.length + 1;
  return Float64Array.from(counts, (_, cell) => {
    const prior = kernel(undefined, cell);
    const sum = observed.reduce((all, centre, k) => all + weights[k]! * kernel(centre, cell), prior);
    return sum / whole + 1e-12;
  });
}

function countChoices({ choices }: ChoiceDomain, values: readonly number[]): number[] {
  const counts = new Array<number>(choices.length).fill(0);
  for (const value of values) counts[value]!++;
  return counts;
}

function cellsOf({ type, low, high, log, step }: NumericDomain): number {
  if (type === 'integer' && log)
    return Math.min(Math.ceil(Math.log(high - low + 1) / Math.LN2) + 1, MOST_CELLS);
  return step === undefined ? MOST_CELLS : Math.min(Math.round((high - low) / step) + 1, MOST_CELLS);
}

/**
 * Cells have their middles from the low end to the high end. A value between two counts for the lower one.
 */
function countCells(domain: NumericDomain, values: readonly number[]): number[] {
  const counts = new Array<number>(cellsOf(domain)).fill(0);
  const to = domain.log ? Math.log : (value: number): number => value;
  const low = to(domain.low);
  const width = (to(domain.high) - low) / (counts.length - 1);
  for (const value of values) {
    const cell = Math.ceil((to(value) - low) / width - 0.5);
    counts[Math.min(Math.max(cell, 0), counts.length - 1)]!++;
  }
  return counts;
}

/** The mass at a cell of the kernel around a centre; undefined: of the prior. */
type Kernel = (centre: number | undefined, cell: number) => number;

function choiceKernel(cells: number, observed: readonly number[]): Kernel {
  const share = 1 / (observed.length + 1);
  return (centre, cell) =>
    centre === undefined ? 1 / cells : (share + (centre === cell ? 1 : 0)) / (1 + cells * share);
}

function numericKernel(cells: number, observed: readonly number[], weights: readonly number[]): Kernel {
  const width = Math.max(widthOf(observed, weights), LEAST_WIDTH);
  const mass = (mu: number, sigma: number, cell: number): number => {
    const log = (from: number, to: number): number => logMass((from - mu) / sigma, (to - mu) / sigma);
    return Math.exp(log(cell - 0.5, cell + 0.5) - log(-0.5, cells - 0.5));
  };
  return (centre, cell) =>
    centre === undefined ? mass((cells - 1) / 2, cells, cell) : mass(centre, width, cell);
}

/** Scott's rule, with the smaller of the standard deviation and that of the middle half. */
function widthOf(observed: readonly number[], weights: readonly number[]): number {
  const count = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = observed.reduce((sum, at, k) => sum + at * weights[k]!, 0) / count;
  const squares = observed.reduce((sum, at, k) => sum + (at - mean) ** 2 * weights[k]!, 0);
  const deviation = Math.sqrt(squares / Math.max(1, count - 1));
  let below = 0;
  const sums = weights.map((weight) => (below += weight));
  const first = sums.findIndex((sum) => sum >= Math.floor(count / 4));
  const third = sums.findIndex((sum) => sum > Math.floor((count * 3) / 4));
  const middle = observed.at(third)! - observed[first]!;
  return 1.059 * Math.min(middle / 1.34, deviation) * count ** -0.2;
}
