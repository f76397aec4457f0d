/** The layer that does nothing. */
import type { Tensor } from '../../tensor/tensor';
import { maker } from '../layer';
import { Module } from '../module';
import type { PassThrough } from '../typing';

/** Returns what it gets. */
export class Identity extends Module {
  static override readonly kind: string = 'identity';
  declare readonly channels?: PassThrough;

  override forward(x: Tensor): Tensor {
    return x;
  }
}

export const identity = maker(Identity);
