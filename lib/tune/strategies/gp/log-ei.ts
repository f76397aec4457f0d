/**
 * The logarithm of the expected improvement, which does not underflow far from the best (Ament et al. 2023).
 */
import { cdf, logDensity, millsRatio } from '../normal';

/** From here down, {@link millsRatio}; above, the difference itself is exact enough. */
const TAIL = -3;
/** From here down, 1 + z millsRatio(z) has lost too many digits, and its series is exact. */
const FAR_TAIL = -100;

export interface LogValue {
  readonly value: number;
  /** Its derivative by `z`. */
  readonly slope: number;
}

/** log E[max(0, z + N(0, 1))] = log(density(z) + z cdf(z)). */
export function logImprovement(z: number): LogValue {
  if (z > TAIL) {
    const mass = cdf(z);
    const improvement = Math.exp(logDensity(z)) + z * mass;
    return { value: Math.log(improvement), slope: mass / improvement };
  }
  if (z > FAR_TAIL) {
    const ratio = millsRatio(z);
    const rest = 1 + z * ratio;
    return { value: logDensity(z) + Math.log(rest), slope: ratio / rest };
  }
  // Abramowitz & Stegun 26.2.12, with u = 1 / z^2.
  const u = 1 / (z * z);
  const rest = 1 - u * (3 - u * (15 - 105 * u));
  const ratio = 1 - u * (1 - u * (3 - 15 * u));
  return { value: logDensity(z) + Math.log(u) + Math.log(rest), slope: (-z * ratio) / rest };
}
