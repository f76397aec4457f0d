// An augmentation that a block declares is applied to an image.
import { augment } from 'tenon';
import { fewImages } from './few.mjs';

/** @param {Record<string, import('tenon').augment.Augmentation>} declared */
export default async function look(declared) {
  const image = await (await fewImages(10, 10)).image(1);
  const { pixels } = await augment.apply(Object.values(declared), image, { seed: 1 });
  if (pixels.every((value, i) => value === image.pixels[i])) throw new Error('the image is as it was');
}
