/** Dropout layers; the op is in lib/ops/dropout.ts. */
import * as ops from '../../ops';
import { declareSettings, probability } from '../../settings';
import { runtimeScalar, type Tensor } from '../../tensor/tensor';
import { maker, withArguments } from '../layer';
import type { PassThrough } from '../typing';

const args = declareSettings({ p: probability('Probability of dropping.', { default: 0.5 }) });

/**
 * In training, zeroes elements with probability p and divides the others by 1 - p; in
 * evaluation, does nothing.
 */
export class Dropout extends withArguments(args, declareSettings({})) {
  static override readonly kind: string = 'dropout';
  static override readonly runtimeFields: readonly string[] = ['p', 'probability'];
  declare readonly channels?: PassThrough;
  /** May be changed between steps. */
  declare p: number;
  protected readonly perChannel: boolean = false;
  private readonly probability = runtimeScalar(() => this.p);

  constructor(p?: number) {
    super({ p });
  }

  override forward(x: Tensor): Tensor {
    return this.training ? ops.dropout(x, this.probability, { perChannel: this.perChannel }) : x;
  }
}

/** Drops whole channels of [N, C, H, W]. */
export class Dropout2d extends Dropout {
  static override readonly kind: string = 'dropout2d';
  protected override readonly perChannel = true;
}

/**
 * Drops elements with probability `p`, by default 0.5 (Srivastava et al. 2014). @throws OptionError unless p
 * is from 0 to 1
 */
export const dropout = maker(Dropout);

/**
 * Drops channels with probability `p`, by default 0.5 (Tompson et al. 2015). @throws OptionError unless p is
 * from 0 to 1
 */
export const dropout2d = maker(Dropout2d);
