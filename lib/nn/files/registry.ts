/** Built-in layers by kind, for rebuilding models from files. Adding a layer that can be rebuilt is a line here. */
import { adaptiveAvgPool2d, adaptiveMaxPool2d, globalMaxPool2d } from '../layers/adaptive-pooling';
import * as activations from '../layers/activations';
import type { Json } from './architecture';
import { batchNorm1d, batchNorm2d, type BatchNormOptions } from '../layers/batch-norm';
import { flatten } from '../layers/flatten';
import { identity } from '../layers/identity';
import { conv2d } from '../layers/conv2d';
import { conv1d } from '../layers/conv1d';
import { convTranspose1d, convTranspose2d } from '../layers/conv-transpose';
import { dropout, dropout2d } from '../layers/dropout';
import { fixupBlock } from '../blocks/fixup-block';
import { fractionalMaxPool2d } from '../layers/fractional-pooling';
import { groupNorm } from '../layers/group-norm';
import { instanceNorm1d, instanceNorm2d } from '../layers/instance-norm';
import { layerNorm } from '../layers/layer-norm';
import { linear, type LinearOptions } from '../layers/linear';
import type { Module } from '../module';
import { avgPool2d, globalAvgPool2d, maxPool2d } from '../layers/pooling';
import { basicBlock } from '../blocks/basic-block';
import { bottleneck } from '../blocks/bottleneck';
import { cifarBlock } from '../blocks/cifar-block';
import { padShortcut } from '../blocks/pad-shortcut';
import { residualBlock } from '../blocks/residual-block';

/** Settings as they come from a file: of any type. The layers check them as they check a caller's. */
export type Config = Readonly<Record<string, Json>>;

type Build = (config: Config) => Module;

/** The settings besides the ones named, in the type that the layer is about to check them for. */
function rest<T>(config: Config, ...named: string[]): T {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !named.includes(key))) as T;
}

function count(config: Config, key: string): number {
  return config[key] as number;
}

/** A layer from its input and output channels, its other settings as options. */
function fromChannels(make: (inChannels: number, outChannels: number, options: never) => Module): Build {
  return (c) =>
    make(count(c, 'inChannels'), count(c, 'outChannels'), rest<never>(c, 'inChannels', 'outChannels'));
}

export const builders: ReadonlyMap<string, Build> = new Map<string, Build>([
  ['conv1d', fromChannels(conv1d)],
  ['conv2d', fromChannels(conv2d)],
  ['convTranspose1d', fromChannels(convTranspose1d)],
  ['convTranspose2d', fromChannels(convTranspose2d)],
  ['basicBlock', fromChannels(basicBlock)],
  ['cifarBlock', fromChannels(cifarBlock)],
  ['residualBlock', fromChannels(residualBlock)],
  ['fixupBlock', fromChannels(fixupBlock)],
  ['padShortcut', fromChannels(padShortcut)],
  [
    'bottleneck',
    (c) => bottleneck(count(c, 'inChannels'), count(c, 'width'), rest(c, 'inChannels', 'width')),
  ],
  [
    'linear',
    (c) =>
      linear(
        count(c, 'inFeatures'),
        count(c, 'outFeatures'),
        rest<LinearOptions>(c, 'inFeatures', 'outFeatures'),
      ),
  ],
  ['batchNorm1d', (c) => batchNorm1d(count(c, 'features'), rest<BatchNormOptions>(c, 'features'))],
  ['batchNorm2d', (c) => batchNorm2d(count(c, 'features'), rest<BatchNormOptions>(c, 'features'))],
  ['layerNorm', (c) => layerNorm(c.normalizedShape as number[], rest(c, 'normalizedShape'))],
  ['groupNorm', (c) => groupNorm(count(c, 'groups'), count(c, 'features'), rest(c, 'groups', 'features'))],
  ['instanceNorm1d', (c) => instanceNorm1d(count(c, 'features'), rest(c, 'features'))],
  ['instanceNorm2d', (c) => instanceNorm2d(count(c, 'features'), rest(c, 'features'))],
  ['maxPool2d', (c) => maxPool2d(c.kernel as number, rest(c, 'kernel'))],
  ['avgPool2d', (c) => avgPool2d(c.kernel as number, rest(c, 'kernel'))],
  ['fractionalMaxPool2d', (c) => fractionalMaxPool2d(c.kernel as number, rest(c, 'kernel'))],
  ['globalAvgPool2d', globalAvgPool2d],
  ['globalMaxPool2d', globalMaxPool2d],
  ['adaptiveAvgPool2d', (c) => adaptiveAvgPool2d(c.size as number)],
  ['adaptiveMaxPool2d', (c) => adaptiveMaxPool2d(c.size as number)],
  ['dropout', (c) => dropout(count(c, 'p'))],
  ['dropout2d', (c) => dropout2d(count(c, 'p'))],
  ['relu', activations.relu],
  ['relu6', activations.relu6],
  ['leakyRelu', (c) => activations.leakyRelu(rest(c))],
  ['elu', (c) => activations.elu(rest(c))],
  ['gelu', (c) => activations.gelu(rest(c))],
  ['silu', activations.silu],
  ['tanh', activations.tanh],
  ['sigmoid', activations.sigmoid],
  ['softmax', (c) => activations.softmax(rest(c))],
  ['logSoftmax', (c) => activations.logSoftmax(rest(c))],
  ['logSigmoid', activations.logSigmoid],
  ['softplus', activations.softplus],
  ['softsign', activations.softsign],
  ['mish', activations.mish],
  ['selu', activations.selu],
  ['hardTanh', (c) => activations.hardTanh(rest(c))],
  ['hardSigmoid', activations.hardSigmoid],
  ['hardSwish', activations.hardSwish],
  ['prelu', (c) => activations.prelu(rest(c))],
  ['flatten', flatten],
  ['identity', identity],
]);
