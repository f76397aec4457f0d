/** The layer that joins all axes but the first. */
import * as ops from '../../ops';
import type { Tensor } from '../../tensor/tensor';
import { maker } from '../layer';
import { Module } from '../module';

/** [N, C, H, W] to [N, C H W]. */
export class Flatten extends Module {
  static override readonly kind: string = 'flatten';

  override forward(x: Tensor): Tensor {
    return ops.flatten(x);
  }
}

/** Joins all axes but the first, in row-major order, as PyTorch's Flatten: [N, C, H, W] to [N, C H W]. */
export const flatten = maker(Flatten);
