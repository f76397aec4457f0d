/** Points drawn at random, and what every strategy does with a trial of which something is fixed. */
import type { Dimension, Domain, Point } from '../space/dimension';
import { countOf, exists, scaleOf, valueAt } from '../space/domain';
import type { Random } from './random-numbers';

/** A value drawn evenly on the domain's scale. */
export function drawValue(domain: Domain, random: Random): number {
  if (domain.type === 'choice') return random.below(domain.choices.length);
  if (countOf(domain) === 1) return domain.low;
  // Whole numbers need no rounding, so that each has exactly its share.
  if (domain.step !== undefined && !domain.log) return valueAt(domain, random.below(countOf(domain)));
  const { low, high, from } = scaleOf(domain);
  return from(low + (high - low) * random.uniform());
}

/**
 * Walks the dimensions in their order and collects a value for each that exists: what is fixed, else what
 * `choose` returns, which sees the point so far.
 */
export function pointBy(
  dimensions: readonly Dimension[],
  fixed: Point,
  choose: (dimension: Dimension, point: Point) => number,
): Point {
  const point: Record<string, number> = {};
  for (const dimension of dimensions)
    if (exists(dimension, point)) point[dimension.name] = fixed[dimension.name] ?? choose(dimension, point);
  return point;
}

/** A point drawn evenly. */
export function drawPoint(dimensions: readonly Dimension[], random: Random, fixed: Point = {}): Point {
  return pointBy(dimensions, fixed, ({ domain }) => drawValue(domain, random));
}
