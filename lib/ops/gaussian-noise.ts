/** Gaussian noise, added to values or multiplied with them. */
import { firstAlike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import { bool, checkKeys } from '../options';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkScalar } from './checks';
import { nextDraws, type DrawAttrs } from './draws';

interface Attrs extends DrawAttrs {
  readonly scaled: boolean;
}

const noiseOp: OpRecord<Attrs> = {
  name: 'gaussian_noise',
  bf16: firstAlike,
  infer: ([x, std, step, example]) => {
    checkDType('gaussianNoise', 'x', x!, 'f32');
    checkScalar('gaussianNoise', 'std', std!);
    checkScalar('gaussianNoise', 'step', step!);
    checkScalar('gaussianNoise', 'example', example!);
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  // The noise is a function of its counter, so backward draws it again.
  grad: ({ inputs: [, ...scalars], grads: [dy], attrs }) => [
    attrs.scaled ? first(applyOp(noiseOp, [dy!, ...scalars], attrs)) : dy!,
    null,
    null,
    null,
  ],
  lower: (l, attrs) => l.call('gaussian_noise', l.inputs, l.outputs, { ...attrs }, [0]),
};

/**
 * x + std z with z of the standard normal distribution, or with `scaled` x (1 + std z). `std` is a runtime
 * scalar. z is a function of seed, layer, call, step and position.
 * @throws OptionError
 */
export function gaussianNoise(x: Tensor, std: Tensor, options: { scaled?: boolean } = {}): Tensor {
  checkKeys('gaussianNoise', options, ['scaled']);
  const scaled = bool('gaussianNoise', 'scaled', options.scaled ?? false);
  checkDType('gaussianNoise', 'x', x, 'f32');
  const { attrs, scalars } = nextDraws('gaussian_noise', x.size);
  return first(applyOp(noiseOp, [x, std, ...scalars], { ...attrs, scaled }));
}

/** As gaussianNoise, of a weight, whose noise all examples share. */
export function weightNoise(weight: Tensor, std: Tensor): Tensor {
  checkDType('weightNoise', 'weight', weight, 'f32');
  const { attrs, scalars } = nextDraws('weight_noise', undefined);
  return first(applyOp(noiseOp, [weight, std, ...scalars], { ...attrs, scaled: false }));
}
