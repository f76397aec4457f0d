/**
 * Hashes beside ImageHash's, of grey copies as Pillow makes them (test/fixtures/make_difference_hashes.py).
 */
import * as data from '../../lib/data';
import { differenceHash, differingBits } from '../../lib/data/difference-hash';
import { thumbnailsOf } from '../../lib/data/near-duplicates';
import fixture from '../fixtures/difference_hashes.json';
import { noise } from '../support/noise';

const hexOf = (words: readonly number[] | undefined): string | undefined =>
  words?.map((word) => word.toString(16).padStart(8, '0')).join('');

it.each(fixture.values)(
  'hashes a picture of $height x $width x $channels',
  async ({ height, width, channels, seed, grey, hash }) => {
    const images = noise(height, width, channels, seed);
    const set = await data.fromArrays({ images, labels: [0], shape: [height, width, channels] });
    const [thumbnail] = await thumbnailsOf(set.part.samples, set.part.rows);
    expect([...thumbnail!]).toEqual([...Buffer.from(grey, 'base64')]);
    expect(hexOf(differenceHash(thumbnail!))).toBe(hash);
  },
);

it('counts differing bits', () => {
  const words = new Uint32Array(noise(1, 400, 1, 9).buffer);
  for (let i = 1; i < words.length; i++) {
    const naive = ((words[i]! ^ words[i - 1]!) >>> 0).toString(2).replaceAll('0', '').length;
    expect(differingBits(words[i]!, words[i - 1]!)).toBe(naive);
  }
  expect(differingBits(0, 0xffffffff)).toBe(32);
});

it.each<[string, (y: number, x: number) => number]>([
  ['one grey', () => 128],
  ['the noise of a dark room', (y, x) => 20 + ((7 * y + 5 * x) % 4)],
  ['an evening sky', (y) => 30 * y],
  ['a pole before the sky', (y, x) => 20 * y + (x === 4 ? 3 : 0)],
])('has no hash of %s', (_, value) => {
  expect(differenceHash(Uint8Array.from({ length: 72 }, (__, i) => value(Math.floor(i / 9), i % 9)))).toBe(
    undefined,
  );
});

it('hashes a picture whose quarter has edges', () => {
  const edges = (count: number): Uint8Array =>
    Uint8Array.from({ length: 72 }, (_, i) =>
      i % 9 > 0 && Math.floor(i / 9) * 8 + (i % 9) <= count ? 4 * (i % 9) : 0,
    );
  expect(differenceHash(edges(16))).toBeDefined();
  expect(differenceHash(edges(7))).toBe(undefined);
});
