/** Pictures that stand for photographs: soft patches of light and colour, other ones for each seed. */
import sharp from 'sharp';
import { noise } from './noise';

const PATCHES = { height: 7, width: 7, channels: 3 } as const;

export function picture(seed: number, height: number, width: number): sharp.Sharp {
  const colours = noise(PATCHES.height, PATCHES.width, PATCHES.channels, seed);
  const light = noise(PATCHES.height, PATCHES.width, 1, seed + 1);
  const patches = colours.map((colour, i) => 0.75 * light[Math.floor(i / 3)]! + 0.25 * colour);
  return sharp(patches, { raw: PATCHES }).resize(width, height, { fit: 'fill', kernel: 'cubic' });
}
