/** What trials say about a space that may have changed since. */
import type { Dimension, Point } from '../space/dimension';
import { contains, sameDomain } from '../space/domain';
import type { TrialRecord } from '../study/trial';

/**
 * A function from trials to their numbers in those of `dimensions` that had the same domain when the trial
 * was suggested. Numbers outside of the domain, which a foreign log may hold, are left out.
 */
export function observer(dimensions: readonly Dimension[]): (trial: TrialRecord) => Point {
  // Trials share their lists of dimensions as a rule.
  const alike = new Map<readonly Dimension[], readonly Dimension[]>();
  const sharedWith = (then: readonly Dimension[]): readonly Dimension[] => {
    const known = alike.get(then);
    if (known !== undefined) return known;
    const domains = new Map(then.map(({ name, domain }) => [name, domain]));
    const shared = dimensions.filter(({ name, domain }) => {
      const before = domains.get(name);
      return before !== undefined && sameDomain(before, domain);
    });
    alike.set(then, shared);
    return shared;
  };
  return ({ point, dimensions: then }) => {
    const seen: Record<string, number> = {};
    for (const { name, domain } of sharedWith(then)) {
      const value = point[name];
      if (value !== undefined && contains(domain, value)) seen[name] = value;
    }
    return seen;
  };
}

/** Somebody has taken the trial, and has not recorded yet what was suggested. */
export function isUnrecorded({ state, point }: TrialRecord): boolean {
  return state === 'running' && Object.keys(point).length === 0;
}
