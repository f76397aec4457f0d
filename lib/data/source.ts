/** Where images come from before they are packed: a source of labelled images, and what all sources check. */
import { DataError } from '../errors';
import { show } from '../options';
import type { ResizeRule } from './decode';

/**
 * A labelled set of images, of one size or each of its own. Samples are uint8 H,W,C (interleaved),
 * as decoded.
 */
export interface ImageSource {
  /** Number of samples, at least 1. */
  readonly length: number;
  /** Height in pixels of every sample, after the resize rule; with `sizes` that of what models see. */
  readonly height: number;
  /** Width in pixels of every sample, after the resize rule; with `sizes` that of what models see. */
  readonly width: number;
  /** Height and width of each sample, one after the other, where they have sizes of their own. */
  readonly sizes?: Int32Array;
  /** The rule that brings images of other sizes to this one; absent if all must have it. */
  readonly resize?: ResizeRule;
  /** Values per pixel, 1 (grey) or 3 (R,G,B) for decoded images. */
  readonly channels: number;
  /** Class `i` is called `classNames[i]`. */
  readonly classNames: readonly string[];
  /** Class index of each sample, checked against `classNames.length` when the source was made. */
  readonly labels: Int32Array;
  /** True where all samples are in memory already, so that reading one decodes nothing. */
  readonly eager: boolean;
  /** All samples, length * H * W * C bytes, for eager sources that hold them in one array. */
  readonly bytes?: Uint8Array;
  /**
   * Writes sample `index` (its H*W*C bytes) into `out`. Eager sources return nothing, decoding
   * ones a promise.
   * @throws DataError for an index or `out` that does not fit, or an image of the wrong size; FormatError for
   *   a corrupt image
   */
  read(index: number, out: Uint8Array): void | Promise<void>;
  /** The file of each sample, where each has one. */
  readonly names?: readonly string[];
  /** What sample `index` is called in messages: its file, or its place. */
  describe(index: number): string;
}

/** What an eager source is made of. */
export interface EagerParts {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classNames: readonly string[];
  readonly labels: Int32Array;
  readonly bytes: Uint8Array;
}

/**
 * Makes a source of samples that are in memory.
 * @param where who makes it, for messages: a file or a function name
 * @throws DataError where there are no samples, sizes disagree, or a label is out of range
 */
export function eagerSource(where: string, parts: EagerParts): ImageSource {
  const { height, width, channels, labels, bytes } = parts;
  const length = labels.length;
  const sampleBytes = height * width * channels;
  if (length === 0) throw new DataError(`${where}: no samples`);
  if (bytes.length !== length * sampleBytes) {
    throw new DataError(
      `${where}: ${length} samples of ${height}x${width}x${channels} take ${length * sampleBytes} bytes, got ${bytes.length}`,
    );
  }
  const classNames = Object.freeze([...parts.classNames]);
  checkLabels(where, labels, classNames.length);
  const form = { length, height, width, channels };
  return {
    ...form,
    classNames,
    labels,
    bytes,
    eager: true,
    read(index, out) {
      checkRead(where, form, index, out);
      out.set(bytes.subarray(index * sampleBytes, (index + 1) * sampleBytes));
    },
    describe: (index) => `${where} sample ${index}`,
  };
}

/** @throws DataError naming the first label outside [0, classes) */
export function checkLabels(where: string, labels: Int32Array, classes: number): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] ?? -1;
    if (label < 0 || label >= classes) {
      throw new DataError(
        `${where}: label ${label} of sample ${i} is out of range, there are ${classes} classes (0 to ${classes - 1})`,
      );
    }
  }
}

/** Checks the arguments of `ImageSource.read`. @throws DataError */
export function checkRead(
  where: string,
  source: Pick<ImageSource, 'length' | 'height' | 'width' | 'channels' | 'sizes'>,
  index: number,
  out: Uint8Array,
): void {
  if (!Number.isInteger(index) || index < 0 || index >= source.length) {
    throw new DataError(`${where}: sample ${show(index)} does not exist, there are ${source.length}`);
  }
  const [height, width] = source.sizes?.subarray(2 * index, 2 * index + 2) ?? [source.height, source.width];
  const expected = height! * width! * source.channels;
  if (out.length !== expected)
    throw new DataError(`${where}: a sample takes ${expected} bytes, out holds ${out.length}`);
}

/** The class names '0', '1', ... for data that has none of its own. */
export function numberedClasses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}
