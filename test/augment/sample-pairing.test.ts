import * as augment from '../../lib/augment';
import { picture } from './support';

const count = 40;
const images = picture(count, 6, 5, 3);
const size = 6 * 5 * 3;

/** Pillow's Image.blend, in double precision: what each byte of image `i` becomes with its partner. */
function blended(i: number, weight: number): number[] {
  const at = (image: number, byte: number): number => images.pixels[(image % count) * size + byte]!;
  return Array.from({ length: size }, (_, byte) =>
    Math.trunc(at(i, byte) + weight * (at(i + 1, byte) - at(i, byte))),
  );
}

const imageOf = ({ pixels }: augment.Pixels, i: number): number[] => [
  ...pixels.subarray(i * size, (i + 1) * size),
];

test.each([0.5, 0.25, 0, 1])('weight %d blends each image with the next one of the batch', async (weight) => {
  const after = await augment.apply([augment.samplePairing({ weight })], images);
  for (let i = 0; i < count; i++) expect(imageOf(after, i)).toEqual(blended(i, weight));
});

test('the mean is the default', async () => {
  const after = await augment.apply([augment.samplePairing()], images);
  expect(imageOf(after, 3)).toEqual(blended(3, 0.5));
});

test('p says how many are paired; the draws are those of the sample', async () => {
  const list = [augment.samplePairing({ p: 0.3 })];
  const after = await augment.apply(list, images);
  const paired = Array.from({ length: count }, (_, i) => {
    const [same, mean] = [blended(i, 0), blended(i, 0.5)];
    const now = imageOf(after, i);
    expect([same, mean]).toContainEqual(now);
    return String(now) === String(mean);
  });
  const many = paired.filter(Boolean).length;
  // 12 of 40; three standard deviations are 8.7.
  expect(Math.abs(many - 12)).toBeLessThan(9);
  const half = { pixels: images.pixels.subarray(0, 20 * size), shape: [20, 6, 5, 3] };
  const first = await augment.apply(list, half);
  for (let i = 0; i < 19; i++) expect(imageOf(first, i)).toEqual(imageOf(after, i));
  const later = await augment.apply(list, images, { epoch: 1 });
  expect(later.pixels).not.toEqual(after.pixels);
});

test('the other image is as it comes to this place of the list', async () => {
  const after = await augment.apply([augment.invert({ p: 1 }), augment.samplePairing()], images);
  const inverted = (image: number, byte: number): number =>
    255 - images.pixels[(image % count) * size + byte]!;
  for (const i of [0, count - 1])
    expect(imageOf(after, i)).toEqual(
      Array.from({ length: size }, (_, byte) => Math.floor((inverted(i, byte) + inverted(i + 1, byte)) / 2)),
    );
});

test('an option out of range is refused', () => {
  expect(() => augment.samplePairing({ weight: 1.5 })).toThrow(
    'augment.samplePairing: weight must be a number from 0 to 1, got 1.5',
  );
  expect(() => augment.samplePairing({ p: -1 })).toThrow('p must be a number from 0 to 1');
  expect(() => augment.samplePairing({ wieght: 1 } as never)).toThrow('did you mean "weight"');
});

test('apply mixes bytes as training mixes inputs', async () => {
  const pair = { pixels: images.pixels.subarray(0, 2 * size), shape: [2, 6, 5, 3] };
  const mixup = await augment.apply([augment.mixup()], pair);
  const cut = await augment.apply([augment.cutmix()], pair);
  // The share that image 0 keeps follows from any byte; all others must agree with it.
  const bytes = Array.from({ length: size }, (_, i) => i);
  const [a, b] = [imageOf(pair, 0), imageOf(pair, 1)];
  const widest = bytes.reduce((best, i) =>
    Math.abs(a[i]! - b[i]!) > Math.abs(a[best]! - b[best]!) ? i : best,
  );
  const keep = (imageOf(mixup, 0)[widest]! - b[widest]!) / (a[widest]! - b[widest]!);
  for (const i of bytes)
    expect(Math.abs(imageOf(mixup, 0)[i]! - (keep * a[i]! + (1 - keep) * b[i]!))).toBeLessThan(1.1);
  for (const i of bytes) expect([a[i], b[i]]).toContain(imageOf(cut, 0)[i]);
  const own: augment.Augmentation = { name: 'own', settings: {}, stage: 'inputs', record: (batch) => batch };
  await expect(augment.apply([own], pair)).rejects.toThrow('own works on normalized inputs');
});
