/** Local response normalization; the formula is in lib/ops/local-response-norm.ts. */
import * as ops from '../../ops';
import { localResponseNormSettings } from '../../ops/local-response-norm';
import type { Tensor } from '../../tensor/tensor';
import { maker, withSettings } from '../layer';
import { SameWidth } from './same-width';

/** Divides each channel by a power of k plus its neighbours' mean square times alpha. */
export class LocalResponseNorm extends withSettings(localResponseNormSettings, SameWidth) {
  static override readonly kind: string = 'localResponseNorm';

  override forward(x: Tensor): Tensor {
    const { size, alpha, beta, k } = this;
    return ops.localResponseNorm(x, { size, alpha, beta, k });
  }
}

/**
 * Local response normalization (Krizhevsky, Sutskever, Hinton 2012) of [N, C, H, W] or [N, C, L], PyTorch's
 * LocalResponseNorm. It has no parameters, and is the same in training and evaluation. AlexNet's is
 * `nn.localResponseNorm({ size: 5, alpha: 5e-4, k: 2 })`.
 * @throws OptionError
 */
export const localResponseNorm = maker(LocalResponseNorm);
