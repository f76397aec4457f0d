/** Residual networks for CIFAR without normalization (Zhang, Dauphin, Ma 2019), of any depth 6 n + 2. */
import { OptionError } from '../errors';
import * as nn from '../nn';
import * as ops from '../ops';
import { prepareHead } from '../nn/layers/chain';
import { positiveInteger } from '../options';
import type { Parameter } from '../tensor/parameter';
import type { Tensor } from '../tensor/tensor';
import { seeded } from './lenet';
import { resolveOptions, type ModelOptions } from './options';

export interface FixupResnetOptions extends ModelOptions {
  /** Layers with weights along the longest path: 6 n + 2, such as 20, 32, 44, 56, 110. Default 110. */
  readonly depth?: number;
}

class FixupResnet extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bias1: Parameter;
  readonly layer1: nn.Sequential;
  readonly layer2: nn.Sequential;
  readonly layer3: nn.Sequential;
  readonly bias2: Parameter;
  fc: nn.Module;

  constructor(inChannels: number, classes: number, perStage: number) {
    super();
    const weightInit = nn.init.heNormal();
    this.conv1 = nn.conv2d(inChannels, 16, { kernel: 3, padding: 1, bias: false, weightInit });
    this.bias1 = nn.parameter([1], nn.init.zeros());
    const stage = (from: number, to: number, stride: number): nn.Sequential =>
      new nn.Sequential(
        Array.from({ length: perStage }, (_, i) =>
          nn.fixupBlock<number, number>(i === 0 ? from : to, to, {
            stride: i === 0 ? stride : 1,
            blocks: 3 * perStage,
          }),
        ),
      );
    this.layer1 = stage(16, 16, 1);
    this.layer2 = stage(16, 32, 2);
    this.layer3 = stage(32, 64, 2);
    this.bias2 = nn.parameter([1], nn.init.zeros());
    this.fc = nn.linear<number, number>(64, classes, { weightInit: 'zeros', biasInit: 'zeros' });
  }

  override forward(x: Tensor): Tensor {
    const stem = ops.relu(ops.add(this.conv1.forward(x), this.bias1));
    const y = [this.layer1, this.layer2, this.layer3].reduce((t, layer) => layer.forward(t), stem);
    return this.fc.forward(ops.add(ops.mean(y, { axes: [2, 3] }), this.bias2));
  }

  override replaceHead(head: nn.Module): this {
    prepareHead(this, 'fc', this.fc, head);
    this.fc = head;
    return this;
  }
}

/**
 * conv 16@3x3, relu; (depth - 2) / 6 Fixup blocks each at 16, 32 and 64 channels, halving the image from the
 * second stage on; mean over positions; fc classes. No normalization: the first step's loss is ln(classes) at
 * any depth. Input [N, 3, 32, 32], any size works. Files saved from it hold no architecture: load them into a
 * model made here.
 * @throws OptionError where depth is not 6 n + 2
 */
export function fixupResnet(options: FixupResnetOptions = {}): nn.Module {
  const where = 'models.fixupResnet';
  const defaults = { inChannels: 3, imageSize: 32, minimumSize: 1 };
  const { classes, inChannels } = resolveOptions(where, options, defaults, ['depth']);
  const depth = positiveInteger(where, 'depth', options.depth ?? 110);
  if (depth < 8 || depth % 6 !== 2)
    throw new OptionError(`${where}: depth must be 6 n + 2, such as 20 or 110, got ${depth}`);
  return seeded(new FixupResnet(inChannels, classes, (depth - 2) / 6), options);
}
