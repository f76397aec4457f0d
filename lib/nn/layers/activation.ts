/** The base of activation layers. */
import type { Tensor } from '../../tensor/tensor';
import { SameWidth } from './same-width';

/** The base of layers that leave shapes as they are. */
export abstract class Activation extends SameWidth {
  abstract override forward(x: Tensor): Tensor;
}
