/** Sources made of a program's own arrays or of anything that can be iterated. */
import { constants } from 'node:buffer';
import { DTypeError, DataError, OptionError } from '../errors';
import { typedArrayTag } from '../native/typed-array';
import { checkKeys, positiveInteger, show } from '../options';
import type { ImageSource } from './source';
import { checkLabels, eagerSource, numberedClasses } from './source';

/** Order of the bytes of one sample. */
export type SampleLayout = 'HWC' | 'CHW';

/** Labels of samples: plain numbers or any typed array, 64-bit integers included. */
export type LabelArray = ArrayLike<number> | BigInt64Array | BigUint64Array;

/** Options of `fromArrays`. */
export interface FromArraysOptions {
  /** All samples, N * H * W * C bytes: a Uint8Array, Uint8ClampedArray or Buffer. Copied. */
  readonly images: Uint8Array | Uint8ClampedArray;
  /** N class indices, whole numbers from 0. Copied. */
  readonly labels: LabelArray;
  /**
   * Height, width and channels of a sample, whatever its layout. A shape that looks like PyTorch's [1, 28,
   * 28] is refused, unless `layout: 'NHWC'` confirms it.
   */
  readonly shape: readonly [height: number, width: number, channels: number];
  /**
   * 'NHWC' (default, interleaved, as image decoders give it) or 'NCHW' (planes, as PyTorch and CIFAR
   * files have it).
   */
  readonly layout?: 'NHWC' | 'NCHW';
  /** Names of the classes. Default '0', '1', ... up to the highest label. */
  readonly classNames?: readonly string[];
}

/**
 * Makes an eager source of arrays in memory. The arrays are copied, so later changes to them do not matter.
 * @throws DTypeError if images are not bytes, DataError if sizes disagree, an array is empty or detached, or
 *   a label is not a whole number or out of range, OptionError for a bad shape, layout or unknown key
 */
export function fromArrays(options: FromArraysOptions): ImageSource {
  checkKeys('fromArrays', options, ['images', 'labels', 'shape', 'layout', 'classNames']);
  const shape = checkShape('fromArrays', options?.shape, options?.layout);
  const layout = sampleLayout('fromArrays', options.layout);
  const images = asBytes('fromArrays', 'images', options.images);
  const labels = asLabels('fromArrays', options.labels);
  const [height, width, channels] = shape;
  const expected = labels.length * height * width * channels;
  if (images.length !== expected) {
    const detached = images.length === 0 ? ' (a detached array has none)' : '';
    throw new DataError(
      `fromArrays: ${labels.length} samples of ${height}x${width}x${channels} take ${expected} bytes, images has ${images.length}${detached}`,
    );
  }
  const bytes = new Uint8Array(expected);
  copySamples(images, bytes, shape, layout);
  return finish('fromArrays', shape, labels, bytes, options.classNames);
}

/** One sample of an iterable. */
export interface LabelledImage {
  /** H * W * C bytes. */
  readonly image: Uint8Array | Uint8ClampedArray;
  /** Class index, a whole number from 0. */
  readonly label: number;
}

/** Options of `fromIterable`. */
export interface FromIterableOptions {
  /** Height, width and channels of every sample, whatever its layout. */
  readonly shape: readonly [height: number, width: number, channels: number];
  /** 'NHWC' (default, interleaved) or 'NCHW' (planes). */
  readonly layout?: 'NHWC' | 'NCHW';
  /** Names of the classes. Default '0', '1', ... up to the highest label. */
  readonly classNames?: readonly string[];
  /** Most bytes to collect. Default 4 GiB, which is also all that Node.js 20 lets one array hold. */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 4 * 2 ** 30;
/** Room for samples before the first is read, unless 64 of them take less. */
const FIRST_BYTES = 4 * 2 ** 20;

/**
 * Reads a (sync or async) iterable to its end, rows of a database for example, and packs what it yields into
 * an eager source.
 * @throws as `fromArrays`, naming the sample; DataError past `maxBytes`, or past what one array can hold.
 *   What the iterable throws is passed on as it is.
 */
export async function fromIterable(
  iterable: Iterable<LabelledImage> | AsyncIterable<LabelledImage>,
  options: FromIterableOptions,
): Promise<ImageSource> {
  checkKeys('fromIterable', options, ['shape', 'layout', 'classNames', 'maxBytes']);
  const shape = checkShape('fromIterable', options?.shape, options?.layout);
  const layout = sampleLayout('fromIterable', options.layout);
  const maxBytes = positiveInteger('fromIterable', 'maxBytes', options.maxBytes ?? DEFAULT_MAX_BYTES);
  requireIterable(iterable);
  const sampleBytes = shape[0] * shape[1] * shape[2];
  const labels: number[] = [];
  let bytes = new Uint8Array(Math.min(maxBytes, 64 * sampleBytes, FIRST_BYTES));
  for await (const sample of iterable) {
    const used = labels.length * sampleBytes;
    const needed = used + sampleBytes;
    const image = checkSample(labels.length, sample, sampleBytes);
    if (needed > bytes.length) bytes = grown(bytes, needed, maxBytes);
    copySamples(image, bytes.subarray(used, needed), shape, layout);
    labels.push(sample.label);
  }
  if (labels.length === 0) throw new DataError('fromIterable: no samples');
  return finish(
    'fromIterable',
    shape,
    asLabels('fromIterable', labels),
    bytes.subarray(0, labels.length * sampleBytes), // a copy could take as much again
    options.classNames,
  );
}

function requireIterable(value: unknown): void {
  const able =
    typeof value === 'object' &&
    value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value);
  if (!able)
    throw new OptionError(`fromIterable: expected an iterable or async iterable, got ${show(value)}`);
}

function checkSample(index: number, sample: LabelledImage, sampleBytes: number): Uint8Array {
  const where = `fromIterable: sample ${index}`;
  if (typeof sample !== 'object' || sample === null)
    throw new DataError(`${where}: expected { image, label }, got ${show(sample)}`);
  const image = asBytes(where, 'image', sample.image);
  if (image.length !== sampleBytes)
    throw new DataError(`${where}: image has ${image.length} bytes, expected ${sampleBytes}`);
  checkLabel(where, sample.label);
  return image;
}

/**
 * A copy of twice the room, at least `needed`.
 * @throws DataError if that is more than `maxBytes`, or more than one array holds
 */
function grown(bytes: Uint8Array, needed: number, maxBytes: number): Uint8Array<ArrayBuffer> {
  if (needed > maxBytes)
    throw new DataError(`fromIterable: more than ${maxBytes} bytes of samples (option maxBytes)`);
  if (needed > constants.MAX_LENGTH)
    throw new DataError(
      `fromIterable: more bytes of samples than one array of Node.js ${process.versions.node} can hold, ${constants.MAX_LENGTH}`,
    );
  const larger = new Uint8Array(Math.min(maxBytes, constants.MAX_LENGTH, Math.max(needed, 2 * bytes.length)));
  larger.set(bytes);
  return larger;
}

function finish(
  where: string,
  [height, width, channels]: Shape,
  labels: Int32Array,
  bytes: Uint8Array,
  classNames: readonly string[] | undefined,
): ImageSource {
  const names = classNames ?? numberedClasses(labels.reduce((max, label) => Math.max(max, label), 0) + 1);
  checkLabels(where, labels, names.length);
  return eagerSource(where, { height, width, channels, classNames: names, labels, bytes });
}

type Shape = readonly [number, number, number];

/** Values a pixel has in files: grey, colours, either with transparency. */
const MOST_CHANNELS = 4;

function checkShape(where: string, shape: unknown, layout: unknown): Shape {
  if (!Array.isArray(shape) || shape.length !== 3) {
    throw new OptionError(`${where}: shape must be [height, width, channels], got ${show(shape)}`);
  }
  const height = positiveInteger(where, 'shape[0] (height)', shape[0]);
  const width = positiveInteger(where, 'shape[1] (width)', shape[1]);
  const channels = positiveInteger(where, 'shape[2] (channels)', shape[2]);
  // Images of PyTorch's shape would silently be taken for images of a single row. A caller who names the
  // layout is believed.
  if ((height === 1 || height === 3) && channels > MOST_CHANNELS && layout !== 'NHWC') {
    const planes = height === 1 || layout === 'NCHW' ? '' : `, and layout: 'NCHW' where the bytes are planes`;
    throw new OptionError(
      `${where}: shape is [height, width, channels], and [${height}, ${width}, ${channels}] looks like [channels, height, width]: ` +
        `give [${width}, ${channels}, ${height}]${planes}. If the images have ${channels} channels, say layout: 'NHWC'`,
    );
  }
  return [height, width, channels];
}

function sampleLayout(where: string, layout: unknown): SampleLayout {
  if (layout === undefined || layout === 'NHWC') return 'HWC';
  if (layout === 'NCHW') return 'CHW';
  throw new OptionError(`${where}: layout must be one of "NHWC", "NCHW", got ${show(layout)}`);
}

/** Views an array of bytes of any realm as a Uint8Array of this one. @throws DTypeError */
export function asBytes(where: string, name: string, value: unknown): Uint8Array {
  const tag = typedArrayTag(value);
  if (tag === 'Uint8Array' || tag === 'Uint8ClampedArray') {
    const view = value as Uint8Array;
    if (view.length === 0) return new Uint8Array(0); // perhaps detached, and a view of a detached buffer cannot be made
    return new Uint8Array(view.buffer, view.byteOffset, view.length);
  }
  const hint = tag?.startsWith('Float') ? ': scale pixels to 0 to 255 and round them' : '';
  throw new DTypeError(`${where}: ${name} must be a Uint8Array, got ${tag ?? show(value)}${hint}`);
}

const MAX_LABEL = 2 ** 24;

function checkLabel(where: string, label: unknown): number {
  if (typeof label !== 'number' || !Number.isInteger(label) || label < 0 || label >= MAX_LABEL) {
    throw new DataError(`${where}: label ${show(label)} is not a whole number from 0 to ${MAX_LABEL - 1}`);
  }
  return label;
}

/** Copies labels, each checked to be a whole number from 0. @throws DTypeError, DataError */
export function asLabels(where: string, labels: unknown): Int32Array {
  if (!Array.isArray(labels) && typedArrayTag(labels) === undefined) {
    throw new DTypeError(`${where}: labels must be an array of whole numbers, got ${show(labels)}`);
  }
  const values = labels as ArrayLike<unknown>;
  const out = new Int32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const value = values[i];
    out[i] = checkLabel(`${where}: sample ${i}`, typeof value === 'bigint' ? Number(value) : value);
  }
  if (out.length === 0) throw new DataError(`${where}: labels is empty (a detached array is)`);
  return out;
}

/** Copies whole samples, turning planes into interleaved pixels where needed. */
function copySamples(
  from: Uint8Array,
  to: Uint8Array,
  [height, width, channels]: Shape,
  layout: SampleLayout,
): void {
  if (layout === 'HWC' || channels === 1) {
    to.set(from);
    return;
  }
  const pixels = height * width;
  for (let start = 0; start < from.length; start += pixels * channels) {
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < pixels; p++) to[start + p * channels + c] = from[start + c * pixels + p] ?? 0;
    }
  }
}
