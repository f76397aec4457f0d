/** Dropout layers; the op is in lib/ops/dropout.ts. */
import * as ops from '../../ops';
import { probability } from '../../options';
import { runtimeScalar, type Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { Module } from '../module';
import type { PassThrough } from '../typing';

/** In training, zeroes elements with probability p and divides the others by 1 - p; in evaluation, does nothing. */
export class Dropout extends Module {
  static override readonly kind: string = 'dropout';
  static override readonly runtimeFields: readonly string[] = ['p', 'probability'];
  declare readonly channels?: PassThrough;
  /** May be changed between steps. */
  p: number;
  protected readonly perChannel: boolean = false;
  private readonly probability = runtimeScalar(() => this.p);

  constructor(p = 0.5) {
    super();
    this.p = probability('nn.dropout', 'p', p);
  }

  override forward(x: Tensor): Tensor {
    return this.training ? ops.dropout(x, this.probability, { perChannel: this.perChannel }) : x;
  }

  override config(): Json {
    return { p: this.p };
  }
}

/** Drops whole channels of [N, C, H, W]. */
export class Dropout2d extends Dropout {
  static override readonly kind: string = 'dropout2d';
  protected override readonly perChannel = true;
}

/** Drops elements with probability `p`, by default 0.5 (Srivastava et al. 2014). @throws OptionError unless p is from 0 to 1 */
export function dropout(p = 0.5): Dropout {
  return new Dropout(p);
}

/** Drops channels with probability `p`, by default 0.5 (Tompson et al. 2015). @throws OptionError unless p is from 0 to 1 */
export function dropout2d(p = 0.5): Dropout2d {
  return new Dropout2d(p);
}
