/**
 * The density of observed points, as a mixture of one kernel for each point and a prior: the multivariate
 * Parzen estimator of Falkner et al. 2018 (BOHB), with kernels that are cut off at the ends of the domain and
 * widths by the heuristics of Bergstra et al. 2011, as Optuna 5 has them.
 */
import type { ChoiceDomain, Dimension, Point } from '../space/dimension';
import { scaleOf, type NumericDomain, type Scale } from '../space/domain';
import { logDensity, logMass } from './normal';
import type { Random } from './random-numbers';

/** The kernels of one dimension: one for each observation, then the prior. */
interface Kernels {
  draw(kernel: number, random: Random): number;
  /**
   * Adds the logarithm of each kernel's density at a value; on the dimension's scale, of its mass at a step.
   */
  addLog(value: number, sums: Float64Array): void;
}

/** The least width of a kernel, as a share of the domain: 1 / min(100, number of kernels + 1). */
const MOST_KERNELS = 100;

/** The prior weighs as much as one observation. */
const PRIOR_WEIGHT = 1;

/**
 * The width of each kernel: the distance to its farther neighbour, of the outermost ones to their only
 * one; the ends of the domain count where there is one observation. Not less than a share of the
 * domain ("magic clip").
 */
function widthsOf(places: readonly number[], { low, high }: Scale): number[] {
  const order = places.map((_, i) => i).sort((i, j) => places[i]! - places[j]!);
  const least = (high - low) / Math.min(MOST_KERNELS, places.length + 2);
  const widths = new Array<number>(places.length);
  order.forEach((i, rank) => {
    const at = places[i]!;
    const only = places.length === 1;
    const before = order[rank - 1] ?? -1;
    const behind = order[rank + 1] ?? -1;
    const left = at - (places[before] ?? (only ? low : at));
    const right = (places[behind] ?? (only ? high : at)) - at;
    widths[i] = Math.min(Math.max(left, right, least), high - low);
  });
  return widths;
}

/** At least a third of a kernel lies within the domain, as its centre does. */
const MOST_DRAWS = 1000;

function numericKernels(domain: NumericDomain, values: readonly number[]): Kernels {
  const scale = scaleOf(domain);
  const { low, high, to, from } = scale;
  const { step } = domain;
  const observed = values.map(to);
  const centres = [...observed, (low + high) / 2];
  const widths = [...widthsOf(observed, scale), high - low];
  const within = centres.map((centre, k) =>
    logMass((low - centre) / widths[k]!, (high - centre) / widths[k]!),
  );
  return {
    draw: (k, random) => {
      for (let i = 0; i < MOST_DRAWS; i++) {
        const place = centres[k]! + widths[k]! * random.normal();
        if (place >= low && place <= high) return from(place);
      }
      return from(centres[k]!);
    },
    addLog: (value, sums) => {
      const place = to(value);
      const [left, right] =
        step === undefined ? [place, place] : [to(value - step / 2), to(value + step / 2)];
      centres.forEach((centre, k) => {
        const width = widths[k]!;
        const log =
          step === undefined
            ? logDensity((place - centre) / width) - Math.log(width)
            : logMass((left - centre) / width, (right - centre) / width);
        sums[k]! += log - within[k]!;
      });
    },
  };
}

/** A kernel has its own choice with the weight of an observation, and all with a share of the prior's. */
function choiceKernels({ choices }: ChoiceDomain, values: readonly number[]): Kernels {
  const count = choices.length;
  const share = PRIOR_WEIGHT / (values.length + 1);
  const whole = 1 + count * share;
  const others = Math.log(share / whole);
  const own = Math.log((1 + share) / whole);
  return {
    draw: (k, random) => {
      const choice = values[k];
      const any = random.below(count);
      return choice !== undefined && random.uniform() * whole < 1 ? choice : any;
    },
    addLog: (value, sums) => {
      values.forEach((choice, k) => (sums[k]! += choice === value ? own : others));
      sums[values.length]! -= Math.log(count);
    },
  };
}

export class ParzenEstimator {
  private readonly kernels: readonly Kernels[];
  private readonly logWeights: Float64Array;
  /** Sums of the weights up to each kernel. */
  private readonly cumulative: readonly number[];

  /**
   * @param dimensions that every observation has
   * @param weights one for each observation; the prior's is 1
   */
  constructor(
    private readonly dimensions: readonly Dimension[],
    observations: readonly Point[],
    weights: readonly number[],
  ) {
    this.kernels = dimensions.map(({ name, domain }) => {
      const values = observations.map((point) => point[name]!);
      return domain.type === 'choice' ? choiceKernels(domain, values) : numericKernels(domain, values);
    });
    const all = [...weights, PRIOR_WEIGHT];
    let sum = 0;
    this.cumulative = all.map((weight) => (sum += weight));
    this.logWeights = Float64Array.from(all, (weight) => Math.log(weight / sum));
  }

  /** A value for each of the dimensions. */
  draw(random: Random): Point {
    const at = random.uniform() * this.cumulative.at(-1)!;
    const found = this.cumulative.findIndex((sum) => at < sum);
    const kernel = found < 0 ? this.cumulative.length - 1 : found;
    const values = this.kernels.map((kernels) => kernels.draw(kernel, random));
    return Object.fromEntries(this.dimensions.map(({ name }, i) => [name, values[i]!]));
  }

  /**
   * The logarithm of the density at a point, on the scales of the dimensions; the mass of a step or choice.
   */
  logDensity(point: Point): number {
    const sums = Float64Array.from(this.logWeights);
    this.dimensions.forEach(({ name }, i) => this.kernels[i]!.addLog(point[name]!, sums));
    const most = Math.max(...sums);
    if (most === -Infinity) return most;
    return most + Math.log(sums.reduce((sum, log) => sum + Math.exp(log - most), 0));
  }
}
