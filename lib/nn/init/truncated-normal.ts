/** Normal initial weights that are cut off at both ends. */
import { OptionError } from '../../errors';
import { checkKeys, finite, positive } from '../../options';
import type { Initializer } from '../../tensor/parameter';
import { numel } from '../../tensor/shape';
import { tensor } from '../../tensor/tensor';
import { Draws } from './draws';

export interface TruncatedNormalOptions {
  /** Where the distribution is cut off, in the units of the weights, as in PyTorch. Default -2 and 2. */
  readonly low?: number;
  readonly high?: number;
}

/** Normal, cut off at `low` and `high`: PyTorch's trunc_normal_. @throws OptionError unless low < high */
export function truncatedNormal(mean = 0, std = 1, options: TruncatedNormalOptions = {}): Initializer {
  const where = 'init.truncatedNormal';
  checkKeys(where, options, ['low', 'high']);
  finite(where, 'mean', mean);
  positive(where, 'std', std);
  const low = (finite(where, 'low', options.low ?? -2) - mean) / std;
  const high = (finite(where, 'high', options.high ?? 2) - mean) / std;
  if (!(low < high)) throw new OptionError(`${where}: low must be below high`);
  return (shape, seed, name) => {
    const draws = new Draws(seed, name);
    const values = Float64Array.from(
      { length: numel(shape) },
      (_, i) => mean + std * cut(draws, i, low, high),
    );
    return tensor(values, shape);
  };
}

/**
 * A standard normal number in [low, high], by rejection from a uniform one. In a far or endless
 * interval, only the part with more than e^-40 of the greatest density counts, so that at least one draw
 * in fifty is taken.
 */
function cut(draws: Draws, index: number, low: number, high: number): number {
  const peak = low > 0 ? low : high < 0 ? high : 0;
  const reach = 40 / Math.max(5, Math.abs(peak));
  const [from, to] = [Math.max(low, peak - reach), Math.min(high, peak + reach)];
  for (let attempt = 0; ; attempt++) {
    const [u, v] = draws.uniforms(index, attempt);
    const x = from + (to - from) * u;
    if (v <= Math.exp((peak * peak - x * x) / 2)) return x;
  }
}
