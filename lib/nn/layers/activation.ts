/** The base of activation layers. */
import type { Tensor } from '../../tensor/tensor';
import { Module } from '../module';
import type { PassThrough } from '../typing';

/** The base of layers that leave shapes as they are. */
export abstract class Activation extends Module {
  declare readonly channels?: PassThrough;
  abstract override forward(x: Tensor): Tensor;
}
