/** A fitted transform: what a data set's samples become before a model sees them, and the way back. */
import type { Dataset } from '../data/dataset';
import type { Normalization } from '../data/samples';
import { compile } from '../compile/compile';
import { checkKeys, positiveInteger } from '../options';
import { numel, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import type { StepDescription } from './description';
import { rowsOf } from './rows';
import { checkBatch, type FittedStep } from './steps';

/** A transform fitted to a training set: what samples become before a model sees them, and the way back. */
export class FittedTransform {
  /** Shape of one sample that goes in: [C, H, W] for images. */
  readonly inputShape: Shape;
  /** Shape of one sample that comes out: [K] behind `pca` and `whiten`. */
  readonly outputShape: Shape;

  /** Made by `fit` and from model files. At least one step. @hidden */
  constructor(private readonly fitted: readonly FittedStep[]) {
    this.inputShape = fitted[0]!.inputShape;
    this.outputShape = fitted[fitted.length - 1]!.outputShape;
  }

  /** Kind and settings of each step. */
  get steps(): readonly StepDescription[] {
    return this.fitted.map((step) => step.description);
  }

  /**
   * What was fitted, by step and name, f32: `0.mean`, `0.std`, `1.components` [K, D] (a direction a row),
   * `1.eigenvalues` [K] (the variance along each, descending), for ZCA `matrix` and `inverse` [D, D].
   */
  state(): ReadonlyMap<string, { readonly shape: Shape; readonly tensor: Tensor }> {
    return new Map(
      this.fitted.flatMap(({ tensors }, i) => [...tensors].map(([name, t]) => [`${i}.${name}`, t] as const)),
    );
  }

  /**
   * Records the transform of a batch, f32 [N, ...inputShape] to [N, ...outputShape]: inside `compile` as
   * part of the program, outside as a recipe whose `data()` computes it. Images are pixels from 0
   * to 1.
   * @throws ShapeError
   */
  apply(x: Tensor): Tensor {
    checkBatch('apply', x, this.inputShape);
    return this.fitted.reduce((y, step) => step.forward(y), x);
  }

  /**
   * Records the way back, [N, ...outputShape] to [N, ...inputShape]: exact up to rounding where nothing was
   * dropped. Directions that PCA or whitening left out come back as their mean.
   * @throws ShapeError
   */
  inverse(y: Tensor): Tensor {
    checkBatch('inverse', y, this.outputShape);
    return this.fitted.reduceRight((x, step) => step.backward(x), y);
  }

  /**
   * `apply` for a whole data set, or a tensor [N, ...inputShape], in batches off the event loop: N
   * rows of outputShape.
   * @param options.batchSize samples at once; does not change the result. Default 512
   * @param options.normalization what images of a data set go through first: what `fit` was given, which the
   *   transform does not remember. Default, as that of `fit`: pixels are scaled to 0..1 and no more. Tensors
   *   are taken as they are
   * @throws ShapeError, DTypeError, DataError for no samples
   */
  async applyAll(
    data: Dataset | Tensor,
    options: { readonly batchSize?: number; readonly normalization?: Normalization } = {},
  ): Promise<Float32Array> {
    checkKeys('applyAll', options, ['batchSize', 'normalization']);
    const batchSize = positiveInteger('applyAll', 'batchSize', options.batchSize ?? 512);
    const rows = await rowsOf('applyAll', data, options.normalization);
    const width = numel(this.outputShape);
    const out = new Float32Array(rows.length * width);
    const program = compile((...args: Tensor[]) => this.apply(rows.record(args)));
    try {
      for (let begin = 0; begin < rows.length; begin += batchSize) {
        const args = await rows.args(begin, Math.min(rows.length, begin + batchSize));
        out.set(await (await program(...args)).data(), begin * width);
      }
    } finally {
      program.dispose();
    }
    return out;
  }

  /** Frees the memory now instead of at garbage collection. */
  dispose(): void {
    for (const { tensor } of this.state().values()) tensor.dispose();
  }
}
