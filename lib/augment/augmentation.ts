/** What an augmentation is. Users may write their own: see docs/augmentation.md. */
import type { Tensor } from '../tensor/tensor';

/** The images of a batch and what goes with them, inside a compiled step. */
export interface ImageBatch {
  /** u8 [B, C, H, W]; at the stage 'inputs' f32, normalized. */
  readonly images: Tensor;
  /** Class indices, i32 [B], or numbers, f32 [B, ...]. */
  readonly targets: Tensor;
  /** Which samples they are: their rows in the set that was read, i32 [B]. */
  readonly samples: Tensor;
  /** How many classes there are; undefined where targets are numbers. */
  readonly classes: number | undefined;
  /** How much each sample counts in the loss, f32 [B]; undefined where all count the same. */
  readonly weights?: Tensor | undefined;
}

/** What decides the random numbers of one augmentation. */
export interface Draws {
  readonly seed: number;
  /** The epoch, counted from 0: a runtime scalar. */
  readonly epoch: Tensor;
  /** How often each sample came before in this epoch, i32 [B]: 0 but under sampling with replacement. */
  readonly occurrence: Tensor;
  /** The augmentation's place in the list, from 1. */
  readonly place: number;
  /**
   * The first `count` random numbers of each sample, uniform in [0, 1): f32 [B, count]. A second call returns
   * the same ones.
   */
  uniform(count: number): Tensor;
}

/**
 * Before normalization, u8 to u8 in the order of the list; or behind it, where what mixes samples belongs.
 */
export type Stage = 'images' | 'inputs';

/**
 * One augmentation of training images. The functions of `augment` make them, and users may write their own.
 */
export interface Augmentation {
  readonly name: string;
  /** What it was made with, for records. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Default 'images'. */
  readonly stage?: Stage;
  /**
   * Records what is done to a batch. What happens to a sample should depend on nothing but the sample and
   * `draws`. Images may get another size; the number of samples stays.
   */
  record(batch: ImageBatch, draws: Draws): ImageBatch;
}
