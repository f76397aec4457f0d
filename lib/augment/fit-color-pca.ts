/** The principal components of the colours of a data set, for `augment.colorPca`. */
import { Dataset } from '../data/dataset';
import { inSlices } from '../data/slices';
import { DataError, OptionError } from '../errors';
import { eigh } from '../ops';
import { showMade } from '../options';
import { tensor } from '../tensor/tensor';
import type { ColorPcaOptions } from './tone';

/** Bytes of images read at a time. */
const READ_BYTES = 1 << 22;

/** Eigenvalues from the largest to the smallest, and their eigenvectors as columns. */
export type ColorComponents = Required<Pick<ColorPcaOptions, 'eigenvalues' | 'eigenvectors'>>;

/**
 * Eigenvalues and eigenvectors of the covariance of red, green and blue, from 0 to 1, over all pixels of a
 * data set, in double precision: `augment.colorPca({ ...(await augment.fitColorPca(train)), std: 0.1 })`.
 * @throws OptionError unless the images have three channels; DataError for an empty set; FormatError for a
 *   corrupt image
 */
export async function fitColorPca(data: Dataset): Promise<ColorComponents> {
  const where = 'augment.fitColorPca';
  if (!(data instanceof Dataset) || data.kind !== 'images' || data.inputShape[0] !== 3)
    throw new OptionError(`${where}: expected a Dataset of images with 3 channels, got ${showMade(data)}`);
  if (data.length === 0) throw new DataError(`${where}: the data set is empty`);
  const sums = new ColourSums();
  const [, height = 1, width = 1] = data.inputShape;
  const atOnce = Math.max(1, Math.floor(READ_BYTES / (3 * height * width)));
  for (let begin = 0; begin < data.length; begin += atOnce) {
    const count = Math.min(atOnce, data.length - begin);
    const positions = Int32Array.from({ length: count }, (_, i) => begin + i);
    const pixels = await data.inputsOf(data.rowsAt(positions));
    await inSlices(pixels.length / 3, 3, (from, to) => sums.add(pixels, 3 * from, 3 * to));
  }
  const { values, vectors } = eigh(tensor(sums.covariance(), [3, 3], 'f64'));
  const [ascending, rows] = [await values.data(), await vectors.data()];
  const of = (component: number): number => Math.max(0, ascending[2 - component]!);
  const row = (channel: number): [number, number, number] => [
    rows[6 + channel]!,
    rows[3 + channel]!,
    rows[channel]!,
  ];
  return { eigenvalues: [of(0), of(1), of(2)], eigenvectors: [row(0), row(1), row(2)] };
}

/** Sums of bytes and of their products: whole numbers, exact below 2^53. */
class ColourSums {
  private pixels = 0;
  private readonly first = new Float64Array(3);
  private readonly second = new Float64Array(9);

  add(bytes: ArrayLike<number>, begin: number, end: number): void {
    const { first, second } = this;
    for (let i = begin; i < end; i += 3) {
      for (let a = 0; a < 3; a++) {
        const x = bytes[i + a]!;
        first[a]! += x;
        for (let b = 0; b <= a; b++) second[3 * a + b]! += x * bytes[i + b]!;
      }
    }
    this.pixels += (end - begin) / 3;
  }

  /** The lower triangle for values from 0 to 1, row by row. */
  covariance(): Float64Array {
    const { first, second, pixels } = this;
    return second.map((sum, i) => {
      const [a, b] = [Math.floor(i / 3), i % 3];
      return a < b ? 0 : (sum / pixels - (first[a]! / pixels) * (first[b]! / pixels)) / 255 ** 2;
    });
  }
}
