/** The layer that does nothing. */
import type { Tensor } from '../../tensor/tensor';
import { Module } from '../module';
import type { PassThrough } from '../typing';
import { withoutOptions } from './without-options';

/** Gives what it gets. */
export class Identity extends Module {
  static override readonly kind: string = 'identity';
  declare readonly channels?: PassThrough;

  override forward(x: Tensor): Tensor {
    return x;
  }
}

export const identity = withoutOptions('nn.identity', () => new Identity());
