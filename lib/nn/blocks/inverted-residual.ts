/**
 * The inverted residual of MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) and EfficientNet (Tan & Le
 * 2019), with torchvision's or timm's names of parameters.
 */
import * as ops from '../../ops';
import { padding } from '../../ops/padding';
import { declareSettings, oneOf, positive, positiveInteger, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker, withArguments } from '../layer';
import { batchNorm2d, type BatchNorm2d } from '../layers/batch-norm';
import { conv2d, type Conv2d } from '../layers/conv2d';
import { channelArguments } from '../layers/convolution';
import { relu6 } from '../layers/pointwise';
import { sequential } from '../layers/sequential';
import type { Module } from '../module';
import type { Channels } from '../typing';
import { blockStep, branchOf, branchRuntimeFields, depthSetting } from './parts';

const settings = declareSettings({
  stride: blockStep('Step of the depthwise convolution.', { default: 1 }),
  expansion: positiveInteger(
    'Hidden channels for each input channel. With 1, the convolution that expands is left out.',
    { default: 6 },
  ),
  kernel: positiveInteger('Height and width of the depthwise convolution.', { default: 3 }),
  padding: padding(
    "Padding of the depthwise convolution, as that of `nn.conv2d`. Default: floor(kernel / 2). TensorFlow's models have 'same'.",
    { optional: true },
  ),
  eps: positive('Added to the variance in batch norm.', { default: 1e-5 }),
  names: oneOf(['torchvision', 'timm'])(
    "Names of parameters: torchvision's (conv.0.0, conv.0.1, ...) or timm's (conv_pw, bn1, conv_dw, bn2, conv_pwl, bn3).",
    { default: 'torchvision' },
  ),
  ...depthSetting,
});

export type InvertedResidualOptions = OptionsOf<typeof settings>;

/** A convolution and the batch norm behind it. */
type Pair = readonly [Conv2d, BatchNorm2d];

/**
 * x + body(x): a 1x1 convolution that expands x, a depthwise one, and a 1x1 convolution that projects, each
 * with batch norm; relu6 behind the first two. Without the addition where stride or channels change.
 */
export class InvertedResidual<In extends number = number, Out extends number = number> extends withArguments(
  channelArguments,
  settings,
) {
  static override readonly runtimeFields = branchRuntimeFields;
  static override readonly kind: string = 'invertedResidual';
  declare readonly channels?: Channels<In, Out>;
  declare readonly inChannels: In;
  declare readonly outChannels: Out;
  /** The body's layers, in order. */
  readonly stages: Readonly<Record<string, Module>>;

  constructor(inChannels: In, outChannels: Out, options: InvertedResidualOptions = {}) {
    super({ inChannels, outChannels }, options);
    const { stride, expansion, kernel, padding = [kernel >> 1, kernel >> 1], eps } = this;
    const hidden = inChannels * expansion;
    const pair = (conv: Conv2d): Pair => [conv, batchNorm2d<number>(conv.outChannels, { eps })];
    const pointwise = (from: number, to: number): Pair =>
      pair(conv2d<number, number>(from, to, { kernel: 1, bias: false }));
    const expand = expansion === 1 ? [] : [pointwise(inChannels, hidden)];
    const depthwise = pair(
      conv2d<number, number>(hidden, hidden, { kernel, stride, padding, groups: hidden, bias: false }),
    );
    const project = pointwise(hidden, outChannels);
    this.stages =
      this.names === 'timm'
        ? timmStages(expand, depthwise, project)
        : { conv: torchvisionBody([...expand, depthwise], project) };
  }

  /** The stages alone, so that parameters have the names of the other libraries. */
  override members(): Iterable<[string, unknown]> {
    return Object.entries(this.stages);
  }

  override forward(x: Tensor): Tensor {
    const { stride, inChannels, outChannels } = this;
    const y = Object.values(this.stages).reduce((value, stage) => stage.forward(value), x);
    const shortcut = stride === 1 && Number(inChannels) === Number(outChannels);
    return shortcut ? ops.add(branchOf(this, y), x) : y;
  }
}

function torchvisionBody(activated: readonly Pair[], [conv, bn]: Pair): Module {
  return sequential(...activated.map((pair): Module => sequential(...pair, relu6())), conv, bn);
}

function timmStages(
  expand: readonly Pair[],
  [depthwise, middle]: Pair,
  [project, last]: Pair,
): Readonly<Record<string, Module>> {
  const [first] = expand;
  if (first === undefined) {
    const [bn1, bn2] = [middle, last];
    return { conv_dw: depthwise, bn1, act1: relu6(), conv_pw: project, bn2 };
  }
  const [conv_pw, bn1] = first;
  return {
    ...{ conv_pw, bn1, act1: relu6() },
    ...{ conv_dw: depthwise, bn2: middle, act2: relu6() },
    ...{ conv_pwl: project, bn3: last },
  };
}

/**
 * An inverted residual: a 1x1 convolution to `expansion` times as many channels, a depthwise convolution and
 * a 1x1 convolution to `outChannels`, each with batch norm, and relu6 behind the first two. x is added where
 * the stride is 1 and channels stay.
 * @throws OptionError, ShapeError for bad padding
 */
export const invertedResidual = maker(InvertedResidual);
