/**
 * Samples in native memory, and how a batch of them enters a program. A Dataset is a view of some
 * rows of these.
 */
import type { ResizeRule } from './decode';
import { gatherRows } from '../ops';
import { arrayFor } from '../tensor/dtype';
import { numel, type Shape } from '../tensor/shape';
import { tensor, zeros, type Tensor } from '../tensor/tensor';
import * as native from '../native';
import { inSlices } from './slices';

/** Mean and standard deviation of each channel, of values scaled to 0..1. */
export interface ChannelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** How images become a model's inputs: normalized, and of each its centre. */
export interface Normalization extends ChannelStatistics {
  /** The size of the centre. Default: the whole image. */
  readonly crop?: Size | undefined;
}

/** The samples of a batch, inside compile(). */
export interface BatchRows {
  /** Rows of the set, i32 [B]. */
  readonly index: Tensor;
  /** How often each sample came before in this epoch, i32 [B]. Absent: never. */
  readonly occurrence?: Tensor | undefined;
  /**
   * Their images, u8 [B, C, H, W], if something has changed them before the step. Default: those of the set.
   */
  readonly images?: Tensor | undefined;
  /** How much each counts in the loss, f32 [B]. Absent: all the same. */
  readonly weights?: Tensor | undefined;
}

/** A batch as tensors of a program. */
export interface Recorded {
  readonly inputs: Tensor;
  readonly targets: Tensor;
  /** Weights of the samples, f32 [B]; absent if all count the same. */
  readonly weights?: Tensor | undefined;
}

/** The images of a batch as they are stored, all of one size, and what goes with them. */
export interface RawBatch {
  /** u8 [N, C, H, W]. */
  readonly data: Tensor;
  /** Rows of `data`, i32 [B]. */
  readonly index: Tensor;
  /** Rows of the set, i32 [B]: `index`, unless `data` holds the batch alone. */
  readonly samples: Tensor;
  readonly occurrence: Tensor | undefined;
  readonly targets: Tensor;
  readonly weights?: Tensor | undefined;
  /** Whether `ImageRecipe.cut` has made `data`. */
  readonly cut?: boolean;
}

/** What is done to stored images on their way into a batch. */
export interface ImageRecipe {
  /** Records the inputs, f32 [B, C, H, W], the targets and the weights. */
  record(images: RawBatch): Recorded;
  /**
   * Cuts windows, u8 [B, C, H, W], out of images that keep sizes of their own, if the recipe begins with
   * that. Otherwise it gets their centres, as large as the images of the set are said to be.
   */
  cut?(images: StoredImages, rows: BatchRows): Tensor | undefined;
}

export type Size = readonly [height: number, width: number];

/** How a window of an image becomes an input: of this size, normalized. */
export interface WindowRecipe extends ChannelStatistics {
  readonly size: Size;
}

/** Images of any sizes in one buffer, as `ops.resampleImages` takes them. */
export interface StoredImages {
  /** u8: images H W C, one after the other. */
  readonly data: Tensor;
  /** f64 [T, 3]: offset, height and width of each. */
  readonly table: Tensor;
  /** The largest height and the largest width. */
  readonly largest: Size;
  readonly channels: number;
  /** Height and width of the image in a row of the table. */
  sizeOf(row: number): Size;
}

/** Rows of one kind in native memory, each with a target. */
export interface Samples {
  readonly kind: 'images' | 'features';
  readonly length: number;
  /** Logical shape of one input: [C, H, W] for images. */
  readonly shape: Shape;
  /** One row per sample: i32 [N] class indices, or f32 [N, ...]. */
  readonly targets: Tensor;
  readonly classNames: readonly string[];
  /** Class index of each sample; absent where targets are numbers. */
  readonly labels?: Int32Array;
  /** The rule that brought images to this shape; absent if they had it. */
  readonly resize?: ResizeRule;
  /**
   * Brings rows into memory. Returns undefined if they are there already, so that nothing needs awaiting.
   * `signal` as for `Dataset.ensure`.
   */
  ensure(rows: Int32Array, signal?: AbortSignal): Promise<void> | undefined;
  /** Names of the files that samples come from, by row; absent if they come from none. */
  readonly names?: readonly string[];
  /**
   * Inputs of these rows, one after the other: images as bytes in H W C order, features as floats
   * in logical order.
   */
  values(rows: Int32Array): Promise<Uint8Array | Float32Array>;
  /** Channel statistics over these rows; undefined for features, which enter as they are. */
  statistics(rows: Int32Array): Promise<ChannelStatistics | undefined>;
  /** Records a batch whose targets are these: inputs are f32 [B, ...shape], or as the recipe has them. */
  batch(rows: BatchRows, targets: Tensor, recipe: ImageRecipe): Recorded;
  /** Whether images keep sizes of their own; `shape` then has that of what models see. */
  readonly ownSizes: boolean;
  /** Where images lie and how large each is; undefined for features. */
  stored(): StoredImages | undefined;
  dispose(): void;
}

/** Targets of these rows, one after the other: class indices, or rows of numbers. */
export async function targetsOf(
  { labels, targets }: Samples,
  rows: Int32Array,
): Promise<Int32Array | Float32Array> {
  if (labels !== undefined) return rows.map((row) => labels[row]!);
  return Float32Array.from(await gatherRows(targets, tensor(rows)).data());
}

/** The bytes of a typed array. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Class indices as i32 [N] in native memory. */
export function packLabels(labels: Int32Array): Tensor {
  const packed = zeros([labels.length], 'i32');
  packed.storage.fill(labels);
  return packed;
}

/**
 * f32 rows in native memory. `data` is in logical order; rows of rank 3 are turned channels-last, as
 * everything of rank 4 is stored.
 */
export async function packRows(data: Float32Array, count: number, shape: Shape): Promise<Tensor> {
  const packed = zeros([count, ...shape]);
  const { storage } = packed;
  const size = numel(shape);
  const [channels, pixels] = shape.length === 3 ? [shape[0]!, shape[1]! * shape[2]!] : [1, size];
  await inSlices(count, size * 4, (begin, end) => {
    const rows = arrayFor('f32', (end - begin) * size, storage.target);
    for (let r = 0; r < rows.length; r += size) {
      const from = begin * size + r;
      for (let c = 0; c < channels; c++) {
        for (let p = 0; p < pixels; p++) rows[r + p * channels + c] = data[from + c * pixels + p]!;
      }
    }
    native.fillBufferNow(storage.buffer, begin * size * rows.BYTES_PER_ELEMENT, bytesOf(rows));
  });
  return packed;
}
