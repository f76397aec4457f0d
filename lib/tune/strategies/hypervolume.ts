/**
 * Several objectives put in order: ranks of non-domination, and the volume that points dominate. All are
 * losses: the lower, the better.
 */

export type Losses = readonly number[];

/** Not worse in any, better in one; equal infinities are equal. */
export function dominates(a: Losses, b: Losses): boolean {
  return a.every((loss, i) => loss <= b[i]!) && a.some((loss, i) => loss < b[i]!);
}

/** The order by the first loss that differs. */
export function compare(a: Losses, b: Losses): number {
  const i = a.findIndex((loss, k) => loss !== b[k]);
  return i < 0 ? 0 : a[i]! < b[i]! ? -1 : 1;
}

/**
 * Cuts points into fronts: the first has the indices of those that no point dominates, the next of those that
 * only the first front dominates, until there are `enough` (Deb et al. 2002). Equal points share a front.
 */
export function frontsOf(points: readonly Losses[], enough = points.length): number[][] {
  // Nothing is dominated by what comes behind it in this order.
  let rest = points.map((_, i) => i).sort((i, j) => compare(points[i]!, points[j]!));
  const fronts: number[][] = [];
  for (let count = 0; rest.length > 0 && count < enough;) {
    const front: number[] = [];
    const others: number[] = [];
    for (const i of rest) (front.some((k) => dominates(points[k]!, points[i]!)) ? others : front).push(i);
    fronts.push(front.sort((i, j) => i - j));
    count += front.length;
    rest = others;
  }
  return fronts;
}

function volume(point: Losses, reference: Losses): number {
  return point.reduce((product, loss, i) => product * (reference[i]! - loss), 1);
}

/** In the plane: a sum of rectangles from the left to the right. */
function area(sorted: readonly Losses[], [right = 0, top = 0]: Losses): number {
  let sum = 0;
  let lowest = top;
  for (const [x = 0, y = 0] of sorted) {
    if (y >= lowest) continue;
    sum += (right - x) * (lowest - y);
    lowest = y;
  }
  return sum;
}

/** What `point` dominates of what `others` do not. */
function exclusive(point: Losses, others: readonly Losses[], reference: Losses): number {
  const limited = others.map((other) => other.map((loss, i) => Math.max(loss, point[i]!)));
  return volume(point, reference) - hypervolume(limited, reference);
}

/**
 * The volume that points dominate up to a reference point that all of them are below, by the recursion of
 * While et al. 2012, "A fast way of calculating exact hypervolumes" (WFG).
 */
export function hypervolume(points: readonly Losses[], reference: Losses): number {
  const unique = frontsOf(points, 1)[0]?.map((i) => points[i]!) ?? [];
  const sorted = unique.sort(compare).filter((point, i, all) => i === 0 || compare(point, all[i - 1]!) !== 0);
  if (reference.length === 2) return area(sorted, reference);
  return sorted.reduce((sum, point, i) => sum + exclusive(point, sorted.slice(i + 1), reference), 0);
}

/**
 * The indices of `count` points that together dominate much: each is the one that adds most to those before
 * it, which attains at least 1 - 1/e of the most (Guerreiro, Fonseca & Paquete 2016). A point adds the less
 * the more there are, so most need not be computed again.
 */
export function subsetOf(points: readonly Losses[], count: number, reference: Losses): number[] {
  if (!reference.every(Number.isFinite)) return points.slice(0, count).map((_, i) => i);
  const chosen: number[] = [];
  const bounds = points.map((point) => volume(point, reference));
  const rest = new Set(points.keys());
  while (chosen.length < Math.min(count, points.length)) {
    const taken = chosen.map((i) => points[i]!);
    let best = -1;
    for (const i of [...rest].sort((a, b) => bounds[b]! - bounds[a]! || a - b)) {
      if (best >= 0 && bounds[i]! < bounds[best]!) break;
      if (taken.length > 0) bounds[i] = exclusive(points[i]!, taken, reference);
      const better = best < 0 || bounds[i]! > bounds[best]! || (bounds[i] === bounds[best] && i < best);
      if (better) best = i;
    }
    chosen.push(best);
    rest.delete(best);
  }
  return chosen;
}
