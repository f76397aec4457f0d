/**
 * Data preprocessing, fitted to a training set and saved with the model: `preprocess.standardize()`,
 * `preprocess.zca({ eps: 0.1 })`, `preprocess.sequence(preprocess.channelMean(), preprocess.pca({ components:
 * 100
 * }))`. Each returns a {@link Transform}, whose `fit` returns a {@link FittedTransform}; a Trainer takes either as `inputTransform`.
 *
 * Sums are taken in float64, variances are biased (over N, as in the covariance X^T X / N). Images enter as
 * pixels from 0 to 1.
 */
import type { Dataset } from '../data/dataset';
import type { ChannelStatistics } from '../data/samples';
import { OptionError } from '../errors';
import { checkKeys, nonNegative, show } from '../options';
import type { Tensor } from '../tensor/tensor';
import type { RotationKind, StepDescription } from './description';
import { fitSteps } from './fit';
import type { FittedTransform } from './fitted';
import { rowsOf } from './rows';

export type { StepDescription } from './description';
export { FittedTransform } from './fitted';

/** Steps of preprocessing that have not seen data yet. */
export class Transform {
  /** Made by the functions of this namespace. */
  constructor(readonly steps: readonly StepDescription[]) {}

  /**
   * Learns from samples: a data set, or a tensor f32 [N, ...]. Pass the training split only: what it learns
   * from test data leaks into every result. Computed off the event loop; the same samples give the same bits
   * on any number of threads.
   * @param normalization what images of a data set go through first, per channel; default: pixels are scaled
   *   to 0..1 and no more. The result does not remember it: pass the same to `applyAll`, and set it as mean
   *   and std of the `preprocessing` of a model whose inputTransform is the result. Tensors are taken as they
   *   are
   * @throws DataError for no samples or numbers that are not finite, ShapeError where the samples are not
   *   what a step is for, DTypeError
   */
  async fit(data: Dataset | Tensor, normalization?: ChannelStatistics): Promise<FittedTransform> {
    return fitSteps(this.steps, await rowsOf('fit', data, normalization));
  }
}

/**
 * One transform after the other; each is fitted to what those before it return. @throws OptionError for none
 */
export function sequence(...transforms: readonly Transform[]): Transform {
  for (const transform of transforms) {
    if (!(transform instanceof Transform))
      throw new OptionError(
        `preprocess.sequence: expected transforms such as preprocess.pca(), got ${show(transform)}`,
      );
  }
  if (transforms.length === 0) throw new OptionError('preprocess.sequence: there are no transforms');
  return new Transform(transforms.flatMap((transform) => transform.steps));
}

/** x - mean, per feature. */
export function center(): Transform {
  return new Transform([{ kind: 'center' }]);
}

/** (x - mean) / std, per feature. A feature that never changes becomes 0. */
export function standardize(): Transform {
  return new Transform([{ kind: 'standardize' }]);
}

/** Image minus the mean image, [C, H, W], as AlexNet has it (Krizhevsky et al. 2012). */
export function meanImage(): Transform {
  return new Transform([{ kind: 'meanImage' }]);
}

/** Image minus the mean of each channel, as VGG has it (Simonyan, Zisserman 2015). */
export function channelMean(): Transform {
  return new Transform([{ kind: 'channelMean' }]);
}

/**
 * (Image - mean) / std of each channel, as ResNet has it (He et al. 2016). A Trainer does this to
 * images by default.
 */
export function channelStandardize(): Transform {
  return new Transform([{ kind: 'channelStandardize' }]);
}

/** Options of `preprocess.pca`. */
export interface PcaOptions {
  /**
   * How many directions to keep, or, above 0 and below 1, the share of the variance that they must
   * hold. Default: all.
   */
  readonly components?: number;
}

/** Options of `preprocess.zca`. */
export interface WhiteningOptions {
  /**
   * Added to each eigenvalue: larger values leave directions of little variance, which are mostly noise,
   * small. Default 1e-5.
   */
  readonly eps?: number;
  /**
   * Directions whose eigenvalue is at most this times the largest carry nothing but rounding: they become 0,
   * whatever `eps` is, and come back from `inverse` as their mean. Default 1e-10.
   */
  readonly tolerance?: number;
}

/** Options of `preprocess.whiten`. */
export interface WhitenOptions extends PcaOptions, WhiteningOptions {}

/**
 * Coordinates along the eigenvectors of the covariance, the largest variance first: decorrelated, [K]
 * per sample. Takes at most 16384 features; their covariance is solved in double precision (3072
 * features: about 20 s on two cores). Signs: the largest entry of each direction is positive.
 * Pearson 1901. @throws OptionError
 */
export function pca(options: PcaOptions = {}): Transform {
  checkKeys('preprocess.pca', options, ['components']);
  return rotation('pca', options);
}

/**
 * PCA, each coordinate divided by sqrt(eigenvalue + eps), [K] per sample: the covariance becomes the
 * identity (apart from eps). The lecture's slide says "divides by the eigenvalue" and means the
 * root. @throws OptionError
 */
export function whiten(options: WhitenOptions = {}): Transform {
  checkKeys('preprocess.whiten', options, ['components', 'eps', 'tolerance']);
  return rotation('whiten', options);
}

/**
 * Whitening that rotates back, so that images stay images: of all whitenings the one that changes samples
 * least (Bell, Sejnowski 1997). The shape stays. @throws OptionError
 */
export function zca(options: WhiteningOptions = {}): Transform {
  checkKeys('preprocess.zca', options, ['eps', 'tolerance']);
  return rotation('zca', options);
}

function rotation(kind: RotationKind, options: WhitenOptions): Transform {
  const where = `preprocess.${kind}`;
  const eps = nonNegative(where, 'eps', options.eps ?? 1e-5);
  const tolerance = nonNegative(where, 'tolerance', options.tolerance ?? 1e-10);
  const { components } = options;
  const fraction = typeof components === 'number' && components > 0 && components < 1;
  const count = Number.isSafeInteger(components) && components! >= 1;
  if (components !== undefined && !fraction && !count)
    throw new OptionError(
      `${where}: components must be a whole number of at least 1, or a share between 0 and 1, got ${show(components)}`,
    );
  return new Transform([{ kind, components: components ?? null, eps, tolerance }]);
}
