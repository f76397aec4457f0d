/** A Dataset: some rows of samples that live in native memory, with their targets. What Trainer trains on and evaluates. */
import { DataError, OptionError } from '../errors';
import { checkKeys, clip, clipList, nonNegativeInteger, positiveInteger, show } from '../options';
import { gatherRows } from '../ops';
import type { Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import type { ResizeRule } from './decode';
import { packFeatures, type FromFeaturesOptions } from './features';
import { PackedImages, type ReadAllOptions } from './images';
import { identity, shuffledSync } from './order';
import type { ChannelStatistics, ImageRecipe, Samples } from './samples';
import type { ImageSource } from './source';

/** Options of `Dataset.split`. */
export interface SplitOptions {
  /** Decides which samples go where. Default 0. */
  readonly seed?: number;
}

/** An image that a set leaves out. */
export interface SkippedImage {
  /** Its path, or `ARCHIVE:PATH`. */
  readonly file: string;
  /** What is wrong with it, in at most 200 characters. */
  readonly reason: string;
}

export class Dataset {
  /** Made by `data.mnist`, `data.folder`, `data.fromArrays` and so on; `rows` are those of `samples` that this set is made of. */
  private constructor(
    private readonly samples: Samples,
    private readonly rows: Int32Array,
    /** Damaged images that `data.folder({ onError: 'skip' })` left out; a part of a set has the list of the whole. */
    readonly skipped: readonly SkippedImage[] = [],
  ) {}

  /** Packs a source of images: an eager one now, one that decodes as its samples are asked for. */
  static async fromSource(source: ImageSource): Promise<Dataset> {
    return whole(await PackedImages.pack(source));
  }

  /** Packs and decodes a source of images now, without those that are damaged. @throws DataError where all are; what `readAll` throws */
  static async ofReadable(source: ImageSource, options: ReadAllOptions): Promise<Dataset> {
    const samples = await PackedImages.pack(source);
    const damaged = await samples.readAll(options);
    const skipped = [...damaged].map(([row, { message }]) => {
      const file = source.describe(row);
      const prefix = `${clip(file)}: `;
      return { file, reason: clip(message.startsWith(prefix) ? message.slice(prefix.length) : message) };
    });
    if (skipped.length === samples.length)
      throw new DataError(
        `folder: all ${skipped.length} images are damaged; ${clip(skipped[0]!.file)}: ${skipped[0]!.reason}`,
      );
    const rows = identity(samples.length).filter((row) => !damaged.has(row));
    return new Dataset(samples, rows, Object.freeze(skipped));
  }

  /** Packs rows of numbers. @throws as `data.fromFeatures` */
  static async fromFeatures(options: FromFeaturesOptions): Promise<Dataset> {
    return whole(await packFeatures(options));
  }

  /** @internal */
  static over(samples: Samples, rows: Int32Array): Dataset {
    return new Dataset(samples, rows);
  }

  get kind(): 'images' | 'features' {
    return this.samples.kind;
  }

  /** Number of samples. */
  get length(): number {
    return this.rows.length;
  }

  /** Logical shape of one input, [C, H, W] for images. */
  get inputShape(): Shape {
    return this.samples.shape;
  }

  /** Logical shape of one target: [] where it is a class index. */
  get targetShape(): Shape {
    return this.samples.targets.shape.slice(1);
  }

  /** Names of the classes, by index; none where targets are numbers. */
  get classNames(): readonly string[] {
    return this.samples.classNames;
  }

  /** The rule that images of other sizes were brought to `inputShape` by; undefined where there is none. */
  get resize(): ResizeRule | undefined {
    return this.samples.resize;
  }

  /** Class index of each sample; undefined where targets are numbers. */
  get labels(): Int32Array | undefined {
    const { labels } = this.samples;
    return labels && this.rows.map((row) => labels[row]!);
  }

  /** Whether targets are class indices. */
  get labelled(): boolean {
    return this.samples.labels !== undefined;
  }

  /**
   * Parts of these sizes, without overlap, drawn at random. They share the memory of this set.
   * @throws OptionError for a bad count or seed, DataError for more samples than there are
   */
  split<const C extends readonly number[]>(
    counts: C,
    options: SplitOptions = {},
  ): { -readonly [I in keyof C]: Dataset } {
    checkKeys('split', options, ['seed']);
    const seed = nonNegativeInteger('split', 'seed', options.seed ?? 0);
    const sizes = checkSizes(counts);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total > this.length)
      throw new DataError(
        `split: parts of ${clipList(sizes.map(String), ' + ')} = ${total} samples, but there are ${this.length}`,
      );
    const order = shuffledSync(this.length, seed, 'split');
    let begin = 0;
    const parts = sizes.map((size) => {
      // Sorted: parts keep the order of the files, so that reading them in order is reading files in order.
      const part = order.slice(begin, (begin += size)).sort();
      return this.view(part.map((i) => this.rows[i]!));
    });
    return parts as { -readonly [I in keyof C]: Dataset };
  }

  /** The first `count` samples, or all where there are fewer. Shares the memory of this set. */
  take(count: number): Dataset {
    return this.view(this.rows.slice(0, positiveInteger('take', 'count', count)));
  }

  /**
   * Decodes these samples (positions in this set) unless they are in memory. Undefined where nothing needs awaiting.
   * @param signal once it fires, samples whose decoding has not begun are given up, but for those that others wait for, too
   * @throws FormatError for a corrupt image, DataError for one of the wrong size, naming it; AbortedError for samples given up
   */
  ensure(positions: Int32Array, signal?: AbortSignal): Promise<void> | undefined {
    return this.samples.ensure(this.rowsAt(positions), signal);
  }

  /** Rows of the packed samples at these positions: what a program takes as a batch. */
  rowsAt(positions: Int32Array): Int32Array {
    return positions.map((position) => this.rows[position]!);
  }

  /**
   * Mean and deviation of each channel, of pixels scaled to 0..1; undefined for features. Exact over data in memory; where images are
   * decoded lazily, over {@link STATISTICS_SAMPLE} of them, evenly spaced.
   */
  statistics(): Promise<ChannelStatistics | undefined> {
    return this.samples.statistics(this.rows);
  }

  /** Records a batch inside compile(): `index` is an i32 [B] tensor of rows. Inputs are f32 [B, ...inputShape]. */
  batch(index: Tensor, recipe: ImageRecipe): { inputs: Tensor; targets: Tensor } {
    return { inputs: this.samples.inputs(index, recipe), targets: gatherRows(this.samples.targets, index) };
  }

  /** The recipe of images that are only normalized. */
  plainRecipe(statistics: ChannelStatistics, epoch: Tensor): ImageRecipe {
    const [, height = 1, width = 1] = this.inputShape;
    return { ...statistics, seed: 0, epoch, flip: 0, padding: 0, size: [height, width] };
  }

  /** The statistics that leave pixels as they are, from 0 to 1. */
  unscaled(): ChannelStatistics {
    const channels = this.kind === 'images' ? this.inputShape[0]! : 0;
    return { mean: Array<number>(channels).fill(0), std: Array<number>(channels).fill(1) };
  }

  /** Whether both are views of the same samples, so that one program serves both. */
  sharesSamplesWith(other: Dataset): boolean {
    return this.samples === other.samples;
  }

  private view(rows: Int32Array): Dataset {
    return new Dataset(this.samples, rows, this.skipped);
  }

  /** Gives the memory back now instead of at garbage collection. Parts made by split and take go with it. */
  dispose(): void {
    this.samples.dispose();
  }
}

function checkSizes(counts: unknown): number[] {
  if (!Array.isArray(counts) || counts.length === 0)
    throw new OptionError(
      `split: expected the sizes of the parts, such as [55_000, 5_000], got ${show(counts)}`,
    );
  return counts.map((count, i) => positiveInteger('split', `size ${i}`, count));
}

function whole(samples: Samples): Dataset {
  return Dataset.over(samples, identity(samples.length));
}
