/** What the blocks of residual networks are made of. */
import { OptionError } from '../../errors';
import { positiveInteger } from '../../options';
import * as ops from '../../ops';
import { declareSettings, kind, probability, type OptionsOf } from '../../settings';
import { runtimeScalar, type Tensor } from '../../tensor/tensor';
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

/** The setting of blocks with a residual branch. */
export const depthSetting = {
  stochasticDepth: probability(
    "Probability of dropping an example's branch in training, after which the others are divided by 1 less it (Huang et al. 2016). May be changed between steps.",
    // Sparse, so that files without it stay readable by versions that do not know it.
    { optional: true, sparse: true },
  ),
};

export const residualSettings = { ...blockSettings, ...depthSetting };

export const branchSettings = declareSettings(residualSettings);

/** Options that residual blocks have in common. */
export type ResidualBlockOptions = OptionsOf<typeof branchSettings>;

/** Names of fields that programs of these blocks do not hold. */
export const branchRuntimeFields: readonly string[] = ['stochasticDepth'];

/** What a block adds to its shortcut: the branch, of which training may drop examples. */
export function branchOf(
  block: { readonly stochastic: boolean; readonly stochasticDepth?: number | undefined },
  branch: Tensor,
): Tensor {
  if (block.stochasticDepth === undefined || !block.stochastic) return branch;
  return ops.stochasticDepth(
    branch,
    runtimeScalar(() => block.stochasticDepth ?? 0),
  );
}

export const strideSettings = declareSettings(blockSettings);

export type StrideOptions = OptionsOf<typeof strideSettings>;

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
