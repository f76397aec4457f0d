/** Layers of Gaussian noise; the op is in lib/ops/gaussian-noise.ts. */
import * as ops from '../../ops';
import { declareSettings, nonNegative, number } from '../../settings';
import { runtimeScalar, type Tensor } from '../../tensor/tensor';
import { maker, withArguments } from '../layer';
import type { PassThrough } from '../typing';

const args = declareSettings({ std: nonNegative('Standard deviation of the noise.') });

/** In training, adds Gaussian noise; in evaluation, does nothing. */
export class GaussianNoise extends withArguments(args, declareSettings({})) {
  static override readonly kind: string = 'gaussianNoise';
  static override readonly runtimeFields: readonly string[] = ['std', 'deviation'];
  declare readonly channels?: PassThrough;
  /** May be changed between steps. */
  declare std: number;
  private readonly deviation = runtimeScalar(() => this.std);

  constructor(std: number) {
    super({ std });
  }

  override forward(x: Tensor): Tensor {
    return this.stochastic ? ops.gaussianNoise(x, this.deviation) : x;
  }
}

/**
 * Adds noise of mean 0 and standard deviation `std` to inputs or activations in training. At the head of a
 * network it acts on normalized inputs.
 * @throws OptionError
 */
export const gaussianNoise = maker(GaussianNoise);

const dropoutArguments = declareSettings({
  p: number({ minimum: 0, exclusiveMaximum: 1 })('Probability of the dropout that has as much variance.', {
    default: 0.5,
  }),
});

/** In training, multiplies with Gaussian noise of mean 1; in evaluation, does nothing. */
export class GaussianDropout extends withArguments(dropoutArguments, declareSettings({})) {
  static override readonly kind: string = 'gaussianDropout';
  static override readonly runtimeFields: readonly string[] = ['p', 'deviation'];
  declare readonly channels?: PassThrough;
  /** May be changed between steps. */
  declare p: number;
  private readonly deviation = runtimeScalar(() => Math.sqrt(this.p / (1 - this.p)));

  constructor(p?: number) {
    super({ p });
  }

  override forward(x: Tensor): Tensor {
    return this.stochastic ? ops.gaussianNoise(x, this.deviation, { scaled: true }) : x;
  }
}

/**
 * Multiplies with noise of mean 1 and variance p / (1 - p) in training, that of dropout with `p`, by default
 * 0.5 (Srivastava et al. 2014, section 10).
 * @throws OptionError unless p is from 0 to below 1
 */
export const gaussianDropout = maker(GaussianDropout);
