/** The residual block of CIFAR ResNets (He et al. 2016). */
import * as ops from '../../ops';
import type { Tensor } from '../../tensor/tensor';
import { batchNorm2d, type BatchNorm2d } from '../layers/batch-norm';
import { sequential, type Sequential } from '../layers/sequential';
import { conv2d, type Conv2d } from '../layers/conv2d';
import { channelArguments } from '../layers/convolution';
import { maker, withArguments } from '../layer';
import type { Channels } from '../typing';
import { branchOf, branchRuntimeFields, branchSettings, type ResidualBlockOptions } from './parts';

/** Options of {@link basicBlock}. */
export type BasicBlockOptions = ResidualBlockOptions;

/**
 * relu(b2(c2(relu(b1(c1 x)))) + short(x)): two 3x3 convolutions; the shortcut is the identity, or a 1x1
 * convolution and batch norm where stride or channels change.
 */
export class BasicBlock<In extends number = number, Out extends number = number> extends withArguments(
  channelArguments,
  branchSettings,
) {
  static override readonly runtimeFields = branchRuntimeFields;
  static override readonly kind: string = 'basicBlock';
  declare readonly channels?: Channels<In, Out>;
  declare readonly inChannels: In;
  declare readonly outChannels: Out;
  readonly c1: Conv2d<In, Out>;
  readonly b1: BatchNorm2d<Out>;
  readonly c2: Conv2d<Out, Out>;
  readonly b2: BatchNorm2d<Out>;
  readonly short: Sequential<In, Out> | undefined;

  constructor(inChannels: In, outChannels: Out, options: BasicBlockOptions = {}) {
    super({ inChannels, outChannels }, options);
    const { stride } = this;
    this.c1 = conv2d(inChannels, outChannels, { kernel: 3, stride, padding: 1, bias: false });
    this.b1 = batchNorm2d(outChannels);
    this.c2 = conv2d(outChannels, outChannels, { kernel: 3, padding: 1, bias: false });
    this.b2 = batchNorm2d(outChannels);
    const same = stride === 1 && Number(inChannels) === Number(outChannels);
    this.short = same
      ? undefined
      : (sequential(
          conv2d<number, number>(inChannels, outChannels, { kernel: 1, stride, bias: false }),
          batchNorm2d<number>(outChannels),
        ) as Sequential<In, Out>);
  }

  override forward(x: Tensor): Tensor {
    const y = ops.relu(this.b1.forward(this.c1.forward(x)));
    const skip = this.short === undefined ? x : this.short.forward(x);
    return ops.relu(ops.add(branchOf(this, this.b2.forward(this.c2.forward(y))), skip));
  }
}

/**
 * A residual block of two 3x3 convolutions. Parameters: c1, b1, c2, b2, short.0, short.1.
 * @throws OptionError
 */
export const basicBlock = maker(BasicBlock);
