/** Residual blocks that train without normalization (Zhang, Dauphin, Ma 2019, "Fixup initialization"). */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import { positiveInteger as checkPositiveInteger } from '../../options';
import { declareSettings, positiveInteger, type OptionsOf } from '../../settings';
import type { Initializer, Parameter } from '../../tensor/parameter';
import type { Tensor } from '../../tensor/tensor';
import { conv2d, type Conv2d } from '../layers/conv2d';
import { constant, heNormal, zeros } from '../init/initializers';
import { parameter } from '../parameter';
import { channelArguments } from '../layers/convolution';
import { maker, withArguments } from '../layer';
import type { Channels } from '../typing';
import { blockSettings } from './parts';

const settings = declareSettings({
  ...blockSettings,
  blocks: positiveInteger(
    'How many residual blocks the whole net has: the deeper it is, the smaller the branches start.',
  ),
});

export type FixupBlockOptions = OptionsOf<typeof settings>;

/**
 * He's normal deviation times blocks^(-1/(2 m - 2)), for branches of m = 2 layers: the outputs of all
 * blocks together then change by a step of a size that does not grow with depth. The fan is the fan-out, as
 * in the authors' code.
 */
export function fixupNormal(blocks: number): Initializer {
  const scale = 1 / Math.sqrt(checkPositiveInteger('init.fixupNormal', 'blocks', blocks));
  const draw = heNormal({ mode: 'fanOut' });
  return (shape, seed, name) => ops.mul(draw(shape, seed, name), scale);
}

/**
 * relu(scale c2(relu(c1(x + bias1a) + bias1b) + bias2a) + bias2b + shortcut(x)) of 3x3 convolutions without
 * biases. The second one starts at 0, so that the block starts as its shortcut: every second pixel where
 * there is a stride, with channels of zeros where there are more.
 */
export class FixupBlock<In extends number = number, Out extends number = number> extends withArguments(
  channelArguments,
  settings,
) {
  static override readonly kind: string = 'fixupBlock';
  declare readonly channels?: Channels<In, Out>;
  declare readonly inChannels: In;
  declare readonly outChannels: Out;
  readonly bias1a: Parameter;
  readonly conv1: Conv2d<In, Out>;
  readonly bias1b: Parameter;
  readonly bias2a: Parameter;
  readonly conv2: Conv2d<Out, Out>;
  readonly scale: Parameter;
  readonly bias2b: Parameter;

  constructor(inChannels: In, outChannels: Out, options: FixupBlockOptions) {
    super({ inChannels, outChannels }, options);
    const { stride } = this;
    if (outChannels < inChannels)
      throw new OptionError(
        `nn.fixupBlock: ${inChannels} channels cannot become ${outChannels}: none is taken away`,
      );
    const branch = { kernel: 3, padding: 1, bias: false } as const;
    this.bias1a = parameter([1], constant(0));
    this.conv1 = conv2d(inChannels, outChannels, { ...branch, stride, weightInit: fixupNormal(this.blocks) });
    this.bias1b = parameter([1], constant(0));
    this.bias2a = parameter([1], constant(0));
    this.conv2 = conv2d(outChannels, outChannels, { ...branch, weightInit: zeros() });
    this.scale = parameter([1], constant(1));
    this.bias2b = parameter([1], constant(0));
  }

  override forward(x: Tensor): Tensor {
    const shifted = ops.add(x, this.bias1a);
    const hidden = ops.relu(ops.add(this.conv1.forward(shifted), this.bias1b));
    const branch = this.conv2.forward(ops.add(hidden, this.bias2a));
    const y = ops.add(ops.mul(branch, this.scale), this.bias2b);
    return ops.relu(ops.add(y, this.shortcut(x, shifted)));
  }

  private shortcut(x: Tensor, shifted: Tensor): Tensor {
    const { inChannels, outChannels, stride } = this;
    if (stride === 1 && Number(inChannels) === Number(outChannels)) return x;
    const picked = stride === 1 ? shifted : ops.avgPool2d(shifted, 1, { stride });
    const [n, , h, w] = picked.shape as [number, number, number, number];
    return ops.pad(picked, [0, 0, 0, 0], [n, outChannels, h, w]);
  }
}

/**
 * A residual block without normalization. `blocks` is the number of such blocks in the net. Parameters as in
 * the authors' code: bias1a, conv1, bias1b, bias2a, conv2, scale, bias2b; they train scalars with a tenth of
 * the learning rate.
 * @throws OptionError
 */
export const fixupBlock = maker(FixupBlock);
