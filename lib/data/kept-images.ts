/** Some image files as a data set, each at a size of its own. */
import { readWhole } from '../files/read';
import type { Limits } from '../files/limits';
import { Dataset } from './dataset';
import { decode, keptSize, type Keep } from './decode';
import { checkRead, type ImageSource } from './source';

/** An image at a size of its own. */
export interface KeptImage {
  readonly name: string;
  readonly size: readonly [height: number, width: number];
  /** H * W * C bytes. */
  readonly pixels: Uint8Array;
}

/** Decodes an image file. @throws as `data.decode` of a path */
export async function readKept(
  file: string,
  keep: Keep,
  channels: 1 | 3,
  limits: Limits,
): Promise<KeptImage> {
  const bytes = await readWhole(file);
  const size = await keptSize(bytes, file, keep, limits);
  const [height, width] = size;
  const pixels = new Uint8Array(height * width * channels);
  await decode(bytes, file, { height, width, channels, limits, resize: 'stretch' }, pixels);
  return { name: file, size, pixels };
}

/** These images as a set of one class, for models that see them at height x width. */
export function keptDataset(
  images: readonly KeptImage[],
  { height, width, channels }: { readonly height: number; readonly width: number; readonly channels: number },
): Promise<Dataset> {
  const form = {
    length: images.length,
    height,
    width,
    channels,
    sizes: Int32Array.from(images.flatMap(({ size }) => size)),
  };
  const source: ImageSource = {
    ...form,
    names: images.map(({ name }) => name),
    classNames: ['0'],
    labels: new Int32Array(images.length),
    eager: false,
    read(index, out) {
      checkRead('images', form, index, out);
      out.set(images[index]!.pixels);
    },
    describe: (index) => images[index]?.name ?? `image ${index}`,
  };
  return Dataset.fromSource(source);
}
