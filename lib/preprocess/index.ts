/**
 * Data preprocessing, fitted to a training set and saved with the model: `preprocess.standardize()`,
 * `preprocess.sequence(preprocess.channelMean(), preprocess.pca({ components: 100
 * }))`. Each returns a {@link Transform}, whose `fit` returns a {@link FittedTransform}; a Trainer takes either as `inputTransform`.
 *
 * Sums are taken in float64, variances are biased (over N, as in the covariance X^T X / N). Images enter as
 * pixels from 0 to 1.
 */
import type { Dataset } from '../data/dataset';
import type { Normalization } from '../data/samples';
import { OptionError } from '../errors';
import { show } from '../options';
import { declareSettings, kind, nonNegative, type OptionsOf } from '../settings';
import type { Tensor } from '../tensor/tensor';
import type { RotationKind, StepDescription } from './description';
import { fitSteps } from './fit';
import type { FittedTransform } from './fitted';
import { rowsOf } from './rows';

export type { PointwiseStep, RotationStep, StepDescription } from './description';
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
  async fit(data: Dataset | Tensor, normalization?: Normalization): Promise<FittedTransform> {
    return fitSteps(this.steps, await rowsOf('fit', data, normalization));
  }
}

/**
 * One transform after the other; each is fitted to what those before it return.
 * @throws OptionError for none
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

const countOrShare = kind<number>({
  check: (where, name, value) => {
    const n = typeof value === 'number' ? value : NaN;
    if ((n > 0 && n < 1) || (Number.isSafeInteger(n) && n >= 1)) return n;
    throw new OptionError(
      `${where}: ${name} must be a whole number of at least 1, or a share between 0 and 1, got ${show(value)}`,
    );
  },
  domain: { type: 'number', exclusiveMinimum: 0 },
});

const reducing = {
  components: countOrShare(
    'How many directions to keep, or, above 0 and below 1, the share of the variance that they must hold. Default: all.',
    { optional: true },
  ),
};
const whitening = {
  eps: nonNegative(
    'Added to each eigenvalue: larger values leave directions of little variance, which are mostly noise, small.',
    { default: 1e-5 },
  ),
  tolerance: nonNegative(
    'Directions whose eigenvalue is at most this times the largest carry nothing but rounding: they become 0, whatever `eps` is, and come back from `inverse` as their mean.',
    { default: 1e-10 },
  ),
};
const pcaSettings = declareSettings(reducing);
const zcaSettings = declareSettings(whitening);
const whitenSettings = declareSettings({ ...reducing, ...whitening });

/** Options of `preprocess.pca`. */
export type PcaOptions = OptionsOf<typeof pcaSettings>;
/** Options of `preprocess.zca`. */
export type WhiteningOptions = OptionsOf<typeof zcaSettings>;
/** Options of `preprocess.whiten`. */
export type WhitenOptions = OptionsOf<typeof whitenSettings>;

/**
 * Coordinates along the eigenvectors of the covariance, the largest variance first: decorrelated, [K]
 * per sample. Takes at most 16384 features; their covariance is solved in double precision (3072
 * features: about 20 s on two cores). Signs: the largest entry of each direction is positive.
 * Pearson 1901.
 * @throws OptionError
 */
export function pca(options: PcaOptions = {}): Transform {
  return rotation('pca', pcaSettings.read('preprocess.pca', options));
}

/**
 * PCA, each coordinate divided by sqrt(eigenvalue + eps), [K] per sample: the covariance becomes the identity
 * (apart from eps). The lecture's slide says "divides by the eigenvalue" and means the root.
 * @throws OptionError
 */
export function whiten(options: WhitenOptions = {}): Transform {
  return rotation('whiten', whitenSettings.read('preprocess.whiten', options));
}

/**
 * Whitening that rotates back, so that images stay images: of all whitenings the one that changes samples
 * least (Bell, Sejnowski 1997). The shape stays.
 * @throws OptionError
 */
export function zca(options: WhiteningOptions = {}): Transform {
  return rotation('zca', zcaSettings.read('preprocess.zca', options));
}

/** Steps that have no such options are saved with the defaults. */
function rotation(kind: RotationKind, options: WhitenOptions): Transform {
  const { components = null, eps, tolerance } = whitenSettings.read(`preprocess.${kind}`, options);
  return new Transform([{ kind, components, eps, tolerance }]);
}
