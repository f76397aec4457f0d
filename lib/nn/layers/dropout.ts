/** Dropout layers; the op is in lib/ops/dropout.ts. */
import * as ops from '../../ops';
import { depthSettings, scaling } from '../../ops/dropout';
import { declareSettings, probability, type OptionsOf } from '../../settings';
import { runtimeScalar, type Tensor } from '../../tensor/tensor';
import { maker, withArguments } from '../layer';
import { SameWidth } from './same-width';

const args = declareSettings({ p: probability('Probability of dropping.', { default: 0.5 }) });
const settings = declareSettings({ scaling });

export type DropoutOptions = OptionsOf<typeof settings>;

/**
 * In training, zeroes elements with probability p and divides the others by 1 - p; in evaluation, does
 * nothing. With `scaling: 'evaluation'` training divides by nothing, and evaluation multiplies by 1 - p.
 */
export class Dropout extends withArguments(args, settings, [], SameWidth) {
  static override readonly kind: string = 'dropout';
  static override readonly runtimeFields: readonly string[] = ['p', 'probability', 'kept'];
  /** May be changed between steps. */
  declare p: number;
  protected readonly perChannel: boolean = false;
  private readonly probability = runtimeScalar(() => this.p);
  private readonly kept = runtimeScalar(() => 1 - this.p);

  constructor(p?: number, options: DropoutOptions = {}) {
    super({ p }, options);
  }

  override forward(x: Tensor): Tensor {
    const { perChannel, probability, scaling } = this;
    if (this.stochastic) return ops.dropout(x, probability, { perChannel, inverted: scaling === 'training' });
    return scaling === 'training' ? x : ops.mul(x, ops.fromScalar(this.kept));
  }
}

/** Drops whole channels of [N, C, H, W]. */
export class Dropout2d extends Dropout {
  static override readonly kind: string = 'dropout2d';
  protected override readonly perChannel = true;
}

/**
 * Drops elements with probability `p`, by default 0.5 (Srivastava et al. 2014).
 * @throws OptionError unless p is from 0 to 1
 */
export const dropout = maker(Dropout);

/**
 * Drops channels with probability `p`, by default 0.5 (Tompson et al. 2015).
 * @throws OptionError unless p is from 0 to 1
 */
export const dropout2d = maker(Dropout2d);

const depthArguments = declareSettings({ p: probability('Probability of dropping an example.') });

export type StochasticDepthOptions = OptionsOf<typeof depthSettings>;

/**
 * In training, zeroes whole examples with probability p and divides the others by 1 - p; in evaluation, does
 * nothing. `scaling` is as in Dropout.
 */
export class StochasticDepth extends withArguments(depthArguments, depthSettings, [], SameWidth) {
  static override readonly kind: string = 'stochasticDepth';
  static override readonly runtimeFields: readonly string[] = ['p', 'probability', 'kept'];
  /** May be changed between steps. */
  declare p: number;
  private readonly probability = runtimeScalar(() => this.p);
  private readonly kept = runtimeScalar(() => 1 - this.p);

  constructor(p: number, options: StochasticDepthOptions = {}) {
    super({ p }, options);
  }

  override forward(x: Tensor): Tensor {
    const { probability, mode, scaling } = this;
    if (this.stochastic) return ops.stochasticDepth(x, probability, { mode, scaling });
    return scaling === 'training' ? x : ops.mul(x, ops.fromScalar(this.kept));
  }
}

/**
 * Stochastic depth (Huang et al. 2016), the last layer of the body of an `nn.residual`: drops the whole
 * branch of an example with probability `p`, or with `mode: 'batch'` that of all examples at once.
 * torchvision's StochasticDepth.
 * @throws OptionError unless p is from 0 to 1
 */
export const stochasticDepth = maker(StochasticDepth);
