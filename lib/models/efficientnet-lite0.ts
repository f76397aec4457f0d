/**
 * EfficientNet-Lite0: EfficientNet-B0 (Tan & Le 2019, arXiv:1905.11946) without squeeze-and-excitation and
 * with relu6, for processors and phones. Names of parameters are timm's, of its `tf_efficientnet_lite0`.
 */
import { checkPreprocessing, type Preprocessing } from '../data/preprocessing';
import * as nn from '../nn';
import { probability } from '../options';
import { efficientnetWeights } from './initial-weights';
import { seeded } from './lenet';
import { depthSettings, resolveOptions, type ResidualOptions } from './options';

export interface EfficientnetOptions extends ResidualOptions {
  /** Probability of dropout before the last layer. Default 0.2. */
  readonly dropout?: number;
}

/** Expansion, channels, blocks, stride of the first block, kernel. */
export const stages = [
  [1, 16, 1, 1, 3],
  [6, 24, 2, 2, 3],
  [6, 40, 2, 2, 5],
  [6, 80, 3, 2, 3],
  [6, 112, 3, 1, 5],
  [6, 192, 4, 2, 5],
  [6, 320, 1, 1, 3],
] as const;

/** Batch norm's eps and the padding of TensorFlow, where the weights come from. */
const tensorflow = { eps: 1e-3, padding: 'same' } as const;

function blocks(inChannels: number, depth: ReturnType<typeof depthSettings>): nn.Sequential {
  let channels = inChannels;
  const made = stages.map(([expansion, to, count, first, kernel]) =>
    nn.sequential(
      ...Array.from({ length: count }, (_, i) => {
        const stride = i === 0 ? first : 1;
        const steps = { stride, expansion, kernel, names: 'timm', ...tensorflow } as const;
        const block = nn.invertedResidual<number, number>(channels, to, { ...steps, ...depth() });
        channels = to;
        return block;
      }),
    ),
  );
  return nn.sequential(...made);
}

/**
 * conv 32@3x3 stride 2; 16 inverted residuals (expansion 6, but 1 in the first) with kernels of 3 and 5 at
 * 16, 24, 40, 80, 112, 192 and 320 channels; conv 1280@1x1; each convolution with batch norm, and with relu6
 * but where a block ends; global average pool, dropout, fc classes. Padding is TensorFlow's SAME: below and
 * on the right where one side has more. Input [N, 3, 224, 224], any size works. Names, shapes and initial
 * weights are those of timm's `tf_efficientnet_lite0`, so its weights load (saved as safetensors). They were
 * trained on images that `models.imagenetInception` describes.
 * @param options classes default to 1000
 * @throws OptionError
 */
export function efficientnetLite0(options: EfficientnetOptions = {}): nn.NamedSequential {
  const where = 'models.efficientnetLite0';
  const defaults = { classes: 1000, inChannels: 3, imageSize: 224, minimumSize: 1 };
  const { classes, inChannels } = resolveOptions(where, options, defaults, ['dropout', 'stochasticDepth']);
  const total = stages.reduce((sum, [, , count]) => sum + count, 0);
  const depth = depthSettings(where, options, total);
  const p = probability(where, 'dropout', options.dropout ?? 0.2);
  const { eps, padding } = tensorflow;
  const model = nn.namedSequential({
    conv_stem: nn.conv2d<number, number>(inChannels, 32, { kernel: 3, stride: 2, padding, bias: false }),
    bn1: nn.batchNorm2d(32, { eps }),
    act1: nn.relu6(),
    blocks: blocks(32, depth),
    conv_head: nn.conv2d(320, 1280, { kernel: 1, bias: false }),
    bn2: nn.batchNorm2d(1280, { eps }),
    act2: nn.relu6(),
    global_pool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    dropout: nn.dropout(p),
    classifier: nn.linear<number, number>(1280, classes),
  });
  return seeded(efficientnetWeights(model), options);
}

/**
 * How the published weights of `efficientnetLite0` take images: 224 by 224 pixels, R, G, B, each from -1 to 1
 * (timm calls these means and deviations IMAGENET_INCEPTION). Files of weights do not hold it: set
 * `model.preprocessing = models.imagenetInception`.
 */
export const imagenetInception: Preprocessing = checkPreprocessing('models.imagenetInception', {
  height: 224,
  width: 224,
  channels: 3,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  resize: 'cover',
});
