/**
 * A Dataset: some rows of samples that live in native memory, with their targets. What Trainer trains
 * on and evaluates.
 */
import { createHash } from 'node:crypto';
import { DataError, DTypeError, OptionError } from '../errors';
import { checkKeys, clip, clipList, madeHere, nonNegativeInteger, positiveInteger, show } from '../options';
import { gatherRows } from '../ops';
import { checkAttached } from '../tensor/dtype';
import type { Shape } from '../tensor/shape';
import { concatParts, type ConcatOptions, type Part } from './concat';
import type { ResizeRule } from './decode';
import { packFeatures, type FromFeaturesOptions } from './features';
import { foldPositions, heldOutPositions, type DividedPositions } from './folds';
import { PackedImages, type ReadAllOptions } from './images';
import { identity, shuffledSync } from './order';
import { Relabelled } from './relabelled';
import {
  bytesOf,
  targetsOf,
  type BatchRows,
  type ChannelStatistics,
  type ImageRecipe,
  type Normalization,
  type Recorded,
  type Samples,
} from './samples';
import { SampleWeights } from './sample-weights';
import { checkPosition, checkPositions, drawPositions, renumbering, type SampleOptions } from './select';
import type { ImageSource } from './source';
import { normalizing } from './stored-images';
import type { FoldsOptions } from './units';

/** Options of `Dataset.split`. */
export interface SplitOptions {
  /** Decides which samples go where. Default 0. */
  readonly seed?: number;
}

/** A set in two parts, of which one trains and the other validates. They share no sample. */
export interface Fold {
  readonly train: Dataset;
  readonly validation: Dataset;
}

/** An image that a set leaves out. */
export interface SkippedImage {
  /** Its path, or `ARCHIVE:PATH`. */
  readonly file: string;
  /** The problem, in at most 200 characters. */
  readonly reason: string;
}

/** What `Dataset.filter` decides by. */
export interface SampleInfo {
  /** Position in the set that is filtered. */
  readonly index: number;
  /** Class index and name; undefined where targets are numbers. */
  readonly label: number | undefined;
  readonly className: string | undefined;
  /** As `Dataset.file` has it. */
  readonly file: string | undefined;
}

/** An image read back. */
export interface DatasetImage {
  /** H * W * C bytes, as decoded and resized, without normalization or augmentation. */
  readonly pixels: Uint8Array;
  readonly shape: readonly [height: number, width: number, channels: number];
  readonly label: number;
  readonly className: string;
}

/** Samples read back. */
export interface DatasetRows {
  readonly inputs: Uint8Array | Float32Array;
  /** Class indices, or rows of numbers of `targetShape`. */
  readonly targets: Int32Array | Float32Array;
}

/**
 * Some samples in some order. What `take`, `split`, `subset`, `filter`, `selectClasses` and `sample` return
 * are views: they share the memory of the set they are made from, and an image is decoded once for all of
 * them. Random augmentation of a sample depends on its place in the set that was read from files or arrays,
 * not on its position in a view: it is the same in each of them.
 */
export class Dataset {
  /**
   * Made by `data.mnist`, `data.folder`, `data.fromArrays` and so on; `indices` are the rows of `samples`
   * that this set is made of.
   */
  private constructor(
    private readonly samples: Samples,
    private readonly indices: Int32Array,
    /**
     * Damaged images that `data.folder({ onError: 'skip' })` left out; a part of a set has the list
     * of the whole.
     */
    readonly skipped: readonly SkippedImage[] = [],
    private readonly ofSamples: SampleWeights | undefined = undefined,
  ) {}

  /** Packs a source of images: an eager one now, one that decodes as its samples are asked for. */
  static async fromSource(source: ImageSource): Promise<Dataset> {
    return whole(await PackedImages.pack(source));
  }

  /**
   * @internal Packs and decodes a source of images now, without those that are damaged. @throws DataError
   *   where all are; what `readAll` throws
   */
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

  /** @internal `data.concat` */
  static async concat(sets: readonly Dataset[], options: ConcatOptions): Promise<Dataset> {
    const { samples, rows } = await concatParts(
      sets.map(({ part }) => part),
      options,
    );
    const skipped = [...new Set(sets.map((set) => set.skipped))].flat();
    const joined = new Dataset(samples, rows, Object.freeze(skipped));
    if (sets.every(({ weights }) => weights === undefined)) return joined;
    const weights = sets.map((set) => set.weights ?? new Float32Array(set.length).fill(1));
    return joined.withWeights(weights.flatMap((part) => [...part]));
  }

  /** @internal The samples below, and which of their rows these are. */
  get part(): Part {
    return { samples: this.samples, rows: this.indices };
  }

  /** Whether a sample is an image [C, H, W] of u8, or features of f32. */
  get kind(): 'images' | 'features' {
    return this.samples.kind;
  }

  /**
   * Whether images keep sizes of their own (`data.folder({ keep })`); `inputShape` then has the size of what
   * models see.
   */
  get ownSizes(): boolean {
    return this.samples.ownSizes;
  }

  /** Number of samples. */
  get length(): number {
    return this.indices.length;
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

  /** The rule that brought images of other sizes to `inputShape`; undefined if there is none. */
  get resize(): ResizeRule | undefined {
    return this.samples.resize;
  }

  /** Class index of each sample; undefined where targets are numbers. */
  get labels(): Int32Array | undefined {
    const { labels } = this.samples;
    return labels && this.indices.map((row) => labels[row]!);
  }

  /** What `withWeights` was given, for the samples of this set; undefined if all count the same. */
  get weights(): Float32Array | undefined {
    return this.ofSamples?.at(this.indices);
  }

  /** How many samples each class has, in the order of `classNames`. @throws DataError for other targets */
  classCounts(): number[] {
    const { labels } = this;
    if (labels === undefined) throw new DataError('classCounts: the targets of this set are numbers');
    const counts = new Array<number>(this.classNames.length).fill(0);
    for (const label of labels) counts[label]!++;
    return counts;
  }

  /** Whether targets are class indices. */
  get labelled(): boolean {
    return this.samples.labels !== undefined;
  }

  /**
   * Class index of the sample at a position. @throws OptionError, DataError for no such sample, or targets
   * that are numbers
   */
  label(position: number): number {
    const label = this.samples.labels?.[this.rowAt('label', position)];
    if (label === undefined)
      throw new DataError('label: the targets of this set are numbers, read them with rows()');
    return label;
  }

  /**
   * The file that the sample at a position comes from, `ARCHIVE:PATH` in an archive; undefined where it
   * comes from none.
   */
  file(position: number): string | undefined {
    return this.samples.names?.[this.rowAt('file', position)];
  }

  /**
   * Pixels of the image at a position. Decodes it if it is not decoded yet. @throws DataError for
   * features; OptionError, FormatError
   */
  async image(position: number): Promise<DatasetImage> {
    if (this.kind !== 'images') throw new DataError('image: this set is of features, read them with rows()');
    const row = this.rowAt('image', position);
    const { channels, ...stored } = this.samples.stored()!;
    const [height, width] = stored.sizeOf(row);
    const pixels = (await this.samples.values(Int32Array.of(row))) as Uint8Array;
    const label = this.label(position);
    return { pixels, shape: [height, width, channels], label, className: this.classNames[label]! };
  }

  /**
   * Inputs and targets of the samples from position `from` to before `to`, one after the other. Decodes
   * images that are not decoded yet. Images are bytes in H W C order, which `model.predict` takes; features
   * are floats in the order of `inputShape`.
   * @param to default: the end
   * @throws OptionError, DataError for no such samples; FormatError for a corrupt image
   */
  async rows(from = 0, to = this.length): Promise<DatasetRows> {
    const begin = checkPosition('rows', from, this.length);
    const end = checkPosition('rows', to, this.length + 1);
    if (end <= begin) throw new DataError(`rows: there are no samples from ${begin} to ${end}`);
    if (this.ownSizes)
      throw new DataError('rows: images of this set keep sizes of their own, read them with image()');
    const rows = this.indices.slice(begin, end);
    return { inputs: await this.samples.values(rows), targets: await targetsOf(this.samples, rows) };
  }

  /** Targets of all samples, one after the other: class indices, or rows of numbers. Decodes nothing. */
  targets(): Promise<Int32Array | Float32Array> {
    return targetsOf(this.samples, this.indices);
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
      return this.view(part.map((i) => this.indices[i]!));
    });
    return parts as { -readonly [I in keyof C]: Dataset };
  }

  /**
   * `k` folds for cross-validation: each sample validates in one of them, and trains in all others. Shares
   * the memory of this set; a sample that the set has more than once is in one fold with all its copies, and
   * so is one of `groups`.
   * @throws OptionError, DataError for more folds than samples (or groups), or than those of a class
   *   where `stratified`
   */
  folds(k: number, options: FoldsOptions = {}): Fold[] {
    return foldPositions(this, k, options).map((positions) => this.fold(positions));
  }

  /**
   * A share of the samples, drawn at random, to validate with, and the others. With `groups`, as nearly that
   * share as whole ones allow. Shares the memory of this set.
   * @throws OptionError, DataError where a part would be empty, or a class has one sample (or group)
   *   where `stratified`
   */
  holdOut(share: number, options: FoldsOptions = {}): Fold {
    return this.fold(heldOutPositions(this, share, options));
  }

  /**
   * The samples at these positions, in this order; one may come more than once. Shares the memory of this
   * set. @throws OptionError, DataError
   */
  subset(positions: ArrayLike<number>): Dataset {
    const checked = checkPositions('subset', positions, this.length);
    return this.view(this.rowsAt(checked));
  }

  /**
   * The samples for which `keep` returns true, in their order. Decodes nothing. Shares the memory
   * of this set.
   * @throws DataError where none is left; what `keep` throws
   */
  filter(keep: (sample: SampleInfo) => boolean): Dataset {
    if (typeof keep !== 'function') throw new OptionError(`filter: expected a function, got ${show(keep)}`);
    const { labels, classNames, names } = this.samples;
    const kept = this.indices.filter((row, index) => {
      const label = labels?.[row];
      const className = label === undefined ? undefined : classNames[label];
      return keep({ index, label, className, file: names?.[row] });
    });
    if (kept.length === 0) throw new DataError(`filter: none of the ${this.length} samples is left`);
    return this.view(kept);
  }

  /**
   * The samples of these classes, which are numbered 0, 1, ... in the order given. Shares the inputs
   * of this set.
   * @throws OptionError for a name that is not a class, or targets that are numbers; DataError where no
   *   sample is left
   */
  selectClasses(classNames: readonly string[]): Dataset {
    const { labels } = this.samples;
    if (labels === undefined)
      throw new OptionError('selectClasses: the targets of this set are numbers, not classes');
    const numbers = renumbering(this.classNames, classNames);
    const rows = this.indices.filter((row) => numbers[labels[row]!]! >= 0);
    if (rows.length === 0)
      throw new DataError(`selectClasses: none of the ${this.length} samples is of ${clipList(classNames)}`);
    const renumbered = labels.map((label) => numbers[label]!);
    const samples = new Relabelled(this.samples, renumbered, Object.freeze([...classNames]));
    return new Dataset(samples, rows, this.skipped, this.ofSamples);
  }

  /**
   * The same samples with weights, one for each: a loss over them is the weighted mean, sum(w loss) / sum(w),
   * in `fit`, in `evaluate` and on a validation set. Views of the set keep the weights of their samples.
   * @throws OptionError for another number of weights, one below 0 or not finite, a sum of 0, or two weights
   *   of a sample that the set has more than once
   */
  withWeights(weights: ArrayLike<number>): Dataset {
    const ofSamples = SampleWeights.of(weights, this.indices, this.samples.length);
    return new Dataset(this.samples, this.indices, this.skipped, ofSamples);
  }

  /**
   * `count` samples drawn at random, in the order of this set. Shares its memory.
   * @throws OptionError, DataError for more samples than there are, unless `replace` is true
   */
  sample(count: number, options: SampleOptions = {}): Dataset {
    return this.view(this.rowsAt(drawPositions(this.length, this.labels, count, options)));
  }

  /** The first `count` samples, or all if there are fewer. Shares the memory of this set. */
  take(count: number): Dataset {
    return this.view(this.indices.slice(0, positiveInteger('take', 'count', count)));
  }

  /**
   * Decodes these samples (positions in this set) unless they are in memory. Returns undefined if
   * nothing needs awaiting.
   * @param signal once it fires, samples whose decoding has not begun are given up, except those that others
   *   wait for
   * @throws FormatError for a corrupt image, DataError for one of the wrong size, naming it; AbortedError for
   *   samples given up
   */
  ensure(positions: Int32Array, signal?: AbortSignal): Promise<void> | undefined {
    return this.samples.ensure(this.rowsAt(positions), signal);
  }

  /** Rows of the packed samples at these positions, which a program takes as a batch. */
  rowsAt(positions: Int32Array): Int32Array {
    if (Object.prototype.toString.call(positions) !== '[object Int32Array]')
      throw new DTypeError(`rowsAt: positions must be an Int32Array, got ${show(positions)}`);
    checkAttached('rowsAt', positions);
    return positions.map((position) => this.indices[position]!);
  }

  /**
   * Mean and deviation of each channel, of pixels scaled to 0..1; undefined for features. Exact over data in
   * memory; where images are decoded lazily, over 2,048 of them, evenly spaced.
   */
  statistics(): Promise<ChannelStatistics | undefined> {
    return this.samples.statistics(this.indices);
  }

  /** Records a batch inside compile(). Inputs are f32 [B, ...inputShape], or as the recipe has them. */
  batch(rows: BatchRows, recipe: ImageRecipe): Recorded {
    const targets = gatherRows(this.samples.targets, rows.index);
    const weights = this.ofSamples?.batch(rows.index);
    return this.samples.batch({ ...rows, weights }, targets, recipe);
  }

  /** The inputs of rows of the packed samples, as `rows` returns them. @internal */
  inputsOf(rows: Int32Array): Promise<Uint8Array | Float32Array> {
    return this.samples.values(rows);
  }

  /** The file that a row of the packed samples comes from. @internal */
  fileOf(row: number): string | undefined {
    return this.samples.names?.[row];
  }

  /** @internal The recipe of images that are only normalized, or of their centres. */
  plainRecipe(normalization: Normalization): ImageRecipe {
    return normalizing(normalization);
  }

  /** The statistics that leave pixels as they are, from 0 to 1. */
  unscaled(): ChannelStatistics {
    const channels = this.kind === 'images' ? this.inputShape[0]! : 0;
    return { mean: Array<number>(channels).fill(0), std: Array<number>(channels).fill(1) };
  }

  /**
   * @internal Which samples of which labels these are, as a digest: what a run in the middle of an epoch must
   *   find again.
   */
  get fingerprint(): string {
    const digest = createHash('sha256').update(bytesOf(this.indices));
    const { labels } = this;
    for (const part of [labels, this.weights]) if (part !== undefined) digest.update(bytesOf(part));
    return digest.digest('hex').slice(0, 16);
  }

  private rowAt(where: string, position: number): number {
    return this.indices[checkPosition(where, position, this.length)]!;
  }

  private fold({ train, validation }: DividedPositions): Fold {
    return { train: this.view(this.rowsAt(train)), validation: this.view(this.rowsAt(validation)) };
  }

  private view(rows: Int32Array): Dataset {
    return new Dataset(this.samples, rows, this.skipped, this.ofSamples);
  }

  /** Frees the memory now instead of at garbage collection. All views of the same samples go with it. */
  dispose(): void {
    this.samples.dispose();
    this.ofSamples?.dispose();
  }
}

madeHere(Dataset);

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
