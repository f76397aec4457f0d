/** The layer that does nothing. */
import type { Tensor } from '../../tensor/tensor';
import { maker } from '../layer';
import { SameWidth } from './same-width';

/** Returns what it gets. */
export class Identity extends SameWidth {
  static override readonly kind: string = 'identity';

  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** A layer that returns what it gets. */
export const identity = maker(Identity);
