/** Several data sets as one: rows of the same samples become a list, and others are packed anew. */
import { DataError, OptionError } from '../errors';
import { checkKeys, clipList, oneOf } from '../options';
import { formatShape } from '../tensor/shape';
import { packFeatures } from './features';
import { PackedImages } from './images';
import { identity } from './order';
import { Relabelled } from './relabelled';
import { targetsOf, type Samples } from './samples';
import type { ImageSource } from './source';

/** Options of `data.concat`. */
export interface ConcatOptions {
  /**
   * 'same' (default): all sets must have the same classes. 'merge': classes are those of all sets, by name,
   * in the order in which they are first met, and samples are numbered by them.
   */
  readonly classes?: 'same' | 'merge';
}

/** Some rows of some samples: what a Dataset is. */
export interface Part {
  readonly samples: Samples;
  readonly rows: Int32Array;
}

/** @throws OptionError, DataError where the sets do not fit together */
export async function concatParts(parts: readonly Part[], options: ConcatOptions): Promise<Part> {
  checkKeys('concat', options, ['classes']);
  const merge = oneOf('concat', 'classes', options.classes ?? 'same', ['same', 'merge']) === 'merge';
  const [first] = parts;
  if (first === undefined) throw new OptionError('concat: there are no sets');
  for (const { samples } of parts) checkAlike(first.samples, samples, merge);
  if (parts.every(({ samples }) => samples === first.samples)) {
    const rows = Int32Array.from(parts.flatMap((part) => [...part.rows]));
    return { samples: first.samples, rows };
  }
  const classNames = [...new Set(parts.flatMap(({ samples }) => samples.classNames))];
  const samples =
    first.samples.kind === 'images' ? await packImages(parts, classNames) : await pack(parts, classNames);
  return { samples, rows: identity(samples.length) };
}

function checkAlike(a: Samples, b: Samples, merge: boolean): void {
  const differ = (what: string, of: (samples: Samples) => string): void => {
    const [one, other] = [of(a), of(b)];
    if (one !== other) throw new DataError(`concat: the sets differ in their ${what}: ${one} and ${other}`);
  };
  differ('kind', (samples) => samples.kind);
  differ('inputs', (samples) => formatShape(samples.shape));
  differ('sizes', ({ ownSizes }) => (ownSizes ? 'of each image its own' : 'one'));
  differ('targets', ({ labels, targets }) =>
    labels === undefined ? `numbers ${formatShape(targets.shape.slice(1))}` : 'classes',
  );
  if (a.resize !== undefined && b.resize !== undefined) differ('resize rule', ({ resize }) => resize!);
  const same =
    a.classNames.length === b.classNames.length && a.classNames.every((name, i) => name === b.classNames[i]);
  if (!merge && !same)
    throw new DataError(
      `concat: the sets differ in their classes: ${clipList(a.classNames)} and ${clipList(b.classNames)}; classes: 'merge' takes those of all`,
    );
}

/** Labels of the parts' rows, one part after the other, as numbers of these classes. */
function labelsOf(parts: readonly Part[], classNames: readonly string[]): Int32Array {
  const numberOf = new Map(classNames.map((name, i) => [name, i]));
  const labels = parts.map(({ samples, rows }) => {
    const numbers = samples.classNames.map((name) => numberOf.get(name)!);
    return rows.map((row) => numbers[samples.labels![row]!]!);
  });
  return joined(labels, (length) => new Int32Array(length));
}

function joined<T extends Int32Array | Float32Array>(arrays: readonly T[], make: (length: number) => T): T {
  const all = make(arrays.reduce((length, array) => length + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** Bytes copied in one turn of the event loop. */
const COPY_BYTES = 1 << 19;

/** Rows of images, which begin at row `start` of the new set. */
interface ImagePart {
  readonly images: PackedImages;
  readonly rows: Int32Array;
  readonly start: number;
}

/**
 * Images that are in memory are copied now; the others are decoded into the new set when it asks for them,
 * and not into their own.
 */
async function packImages(parts: readonly Part[], classNames: readonly string[]): Promise<Samples> {
  let start = 0;
  const placed = parts.map(({ samples, rows }): ImagePart => {
    const part = { images: imagesOf(samples), rows, start };
    start += rows.length;
    return part;
  });
  const packed = await PackedImages.pack(sourceOf(placed, labelsOf(parts, classNames), classNames));
  for (const part of placed) await copyPresent(part, packed);
  return packed;
}

function imagesOf(samples: Samples): PackedImages {
  const images = samples instanceof Relabelled ? samples.base : samples;
  if (images instanceof PackedImages) return images;
  throw new DataError('concat: internal error, these are not images');
}

async function copyPresent({ images, rows, start }: ImagePart, packed: PackedImages): Promise<void> {
  const step = Math.max(1, Math.floor(COPY_BYTES / images.largestBytes));
  for (let begin = 0; begin < rows.length; begin += step) {
    const end = Math.min(rows.length, begin + step);
    const present = identity(end - begin)
      .map((i) => begin + i)
      .filter((i) => images.holds(rows[i]!));
    const bytes = await images.values(present.map((i) => rows[i]!));
    packed.fill(
      present.map((i) => start + i),
      bytes,
    );
  }
}

function sourceOf(
  parts: readonly ImagePart[],
  labels: Int32Array,
  classNames: readonly string[],
): ImageSource {
  const all = parts.map(({ images }) => images);
  const [channels = 0, height = 0, width = 0] = all[0]!.shape;
  const resize = all.find((images) => images.resize !== undefined)?.resize;
  const named = all.every(({ names }) => names !== undefined);
  const names = named
    ? parts.flatMap(({ images, rows }) => Array.from(rows, (row) => images.names![row]!))
    : undefined;
  const own = all[0]!.ownSizes;
  const sizes = (): Int32Array =>
    Int32Array.from(
      parts.flatMap(({ images, rows }) => Array.from(rows, (row) => images.stored().sizeOf(row))).flat(),
    );
  return {
    length: labels.length,
    height,
    width,
    channels,
    ...(own && { sizes: sizes() }),
    classNames: Object.freeze([...classNames]),
    labels,
    ...(resize !== undefined && { resize }),
    ...(names !== undefined && { names }),
    eager: all.every(({ lazy }) => !lazy),
    read(i, out) {
      const { images, rows, start } = parts.findLast((part) => part.start <= i)!;
      return images.copy(rows[i - start]!, out);
    },
    describe: (i) => names?.[i] ?? `concat sample ${i}`,
  };
}

async function pack(parts: readonly Part[], classNames: readonly string[]): Promise<Samples> {
  const { shape, targets, labels } = parts[0]!.samples;
  const floats = (length: number): Float32Array => new Float32Array(length);
  const inputs: Float32Array[] = [];
  for (const { samples, rows } of parts) inputs.push((await samples.values(rows)) as Float32Array);
  const all = { inputs: joined(inputs, floats), shape };
  if (labels !== undefined) return packFeatures({ ...all, targets: labelsOf(parts, classNames), classNames });
  const numbers: Float32Array[] = [];
  for (const { samples, rows } of parts) numbers.push((await targetsOf(samples, rows)) as Float32Array);
  return packFeatures({ ...all, targets: joined(numbers, floats), targetShape: targets.shape.slice(1) });
}
