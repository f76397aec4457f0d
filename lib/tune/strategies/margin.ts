/**
 * Whole numbers in CMA-ES: "CMA-ES with margin" (Hamano et al. 2022, arXiv:2205.13482). A variance that is
 * small beside a step would never leave a value again; mean and spread are therefore moved so that each
 * neighbour keeps a least probability.
 */
import type { Distribution } from './cma-distribution';
import { cdf, quantile } from './normal';

/** Mean and standard deviation of one dimension. */
export interface Marginal {
  readonly mean: number;
  readonly deviation: number;
}

/** @param thresholds between neighbouring values, rising @param least probability of leaving a value */
export function withMargin(
  { mean, deviation }: Marginal,
  thresholds: readonly number[],
  least: number,
): Marginal {
  const above = thresholds.findIndex((threshold) => mean <= threshold);
  // Which thresholds the mean lies between.
  const [low, high] = [thresholds[(above < 0 ? thresholds.length : above) - 1], thresholds[above]];
  if (low === undefined || high === undefined) {
    const close = low ?? high;
    if (close === undefined || cdf(-Math.abs(mean - close) / deviation) >= least) return { mean, deviation };
    const side = low === undefined ? -1 : 1;
    return { mean: close + side * quantile(1 - least) * deviation, deviation };
  }
  return between({ mean, deviation }, [low, high], least);
}

function between(
  { mean, deviation }: Marginal,
  [low, high]: readonly [number, number],
  least: number,
): Marginal {
  const below = cdf((low - mean) / deviation);
  const beyond = cdf((mean - high) / deviation);
  const middle = 1 - below - beyond;
  const [more, most] = [Math.max(below, least / 2), Math.max(beyond, least / 2)];
  if (more === below && most === beyond) return { mean, deviation };
  const excess = (1 - more - most - middle) / (more + most + middle - 1.5 * least);
  const left = quantile(1 - (more + excess * (more - least / 2)));
  const right = quantile(1 - (most + excess * (most - least / 2)));
  const spread = (high - low) / (left + right);
  return { mean: (low * right + high * left) / (left + right), deviation: spread };
}

/** A distribution whose dimensions are wider than its covariance says, so that whole numbers move on. */
export interface Widened {
  readonly distribution: Distribution;
  /** By which factor each dimension is. */
  readonly widening: readonly number[];
}

/**
 * Moves means, and widens dimensions further, where whole numbers would stay as they are.
 * @param thresholds of each dimension; none for real numbers
 */
export function keepMargins(
  { distribution, widening: before }: Widened,
  thresholds: readonly (readonly number[])[],
  least: number,
): Widened {
  const mean = [...distribution.mean];
  const widening = before.map((factor, i) => {
    if (thresholds[i]!.length === 0) return factor;
    const narrow = distribution.sigma * Math.sqrt(distribution.covariance[i]![i]!);
    const wide = withMargin({ mean: mean[i]!, deviation: factor * narrow }, thresholds[i]!, least);
    mean[i] = wide.mean;
    return wide.deviation / narrow;
  });
  return { distribution: { ...distribution, mean }, widening };
}
