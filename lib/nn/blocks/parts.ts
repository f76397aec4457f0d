/** What the blocks of residual networks are made of. */
import { OptionError } from '../../errors';
import { positiveInteger } from '../../options';
import { declareSettings, kind, type OptionsOf } from '../../settings';
import { batchNorm2d } from '../layers/batch-norm';
import { sequential, type Sequential } from '../layers/sequential';
import { conv2d, type Conv2d } from '../layers/conv2d';

/** A step of a block, small enough for every kernel. */
export const blockStep = kind<number>({
  check: (where, name, value) => {
    const stride = positiveInteger(where, name, value);
    if (stride > 65535) throw new OptionError(`${where}: ${name} must be at most 65535, got ${stride}`);
    return stride;
  },
  domain: { type: 'integer', minimum: 1, maximum: 65535 },
});

/** The one setting that every residual block has. */
export const blockSettings = {
  stride: blockStep('Step of the first 3x3 convolution and of the shortcut.', { default: 1 }),
};

export const strideSettings = declareSettings(blockSettings);

export type ResidualBlockOptions = OptionsOf<typeof strideSettings>;

export function conv3x3(inChannels: number, outChannels: number, stride = 1): Conv2d {
  return conv2d<number, number>(inChannels, outChannels, { kernel: 3, stride, padding: 1, bias: false });
}

export function conv1x1(inChannels: number, outChannels: number, stride = 1): Conv2d {
  return conv2d<number, number>(inChannels, outChannels, { kernel: 1, stride, bias: false });
}

export function projection(inChannels: number, outChannels: number, stride: number): Sequential {
  return sequential(conv1x1(inChannels, outChannels, stride), batchNorm2d<number>(outChannels));
}

/** Undefined where the shape stays. */
export function downsampling(
  inChannels: number,
  outChannels: number,
  stride: number,
): Sequential | undefined {
  return stride === 1 && inChannels === outChannels ? undefined : projection(inChannels, outChannels, stride);
}
