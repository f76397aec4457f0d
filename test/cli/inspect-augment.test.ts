import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { apply, cutmix, flip, mixup, oneOf, rotate, samplePairing, type Pixels } from '../../lib/augment';
import { augmentations } from '../../lib/augment/registry';
import { glyphs } from '../../lib/data';
import { noise } from '../support/noise';
import { temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();

/** Pixels around each picture, the height of a line of text, and how much 28x28 is enlarged. */
const [GAP, LINE, ZOOM, SIDE] = [4, 18, 3, 28];

/** The picture at a place of a sheet of grey images, at its own size. */
async function cellOf(file: string, down: number, right: number): Promise<number[]> {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  const [top, left] = [down * (LINE + SIDE * ZOOM + GAP) + LINE, GAP + right * (SIDE * ZOOM + GAP)];
  return Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [y, x] = [Math.floor(i / SIDE), i % SIDE];
    const at = ((top + y * ZOOM) * info.width + left + x * ZOOM) * info.channels;
    const corner = ((top + y * ZOOM + ZOOM - 1) * info.width + left + x * ZOOM + ZOOM - 1) * info.channels;
    expect(data[corner]).toBe(data[at]);
    return data[at]!;
  });
}

it('draws the original and what a list makes of it in each epoch, a row for each image', async () => {
  const out = join(dir, 'list.png');
  const flags = ['--out', out, '--count', 2, '--draws', 3, '--seed', 5, '--json'];
  const { code, lines } = await tenon('inspect', '--augment', 'flip,rotate(30)', ...flags);
  expect(code).toBe(0);
  const rows = ['flip, rotate(30): image 0', 'flip, rotate(30): image 6000'];
  const [width, height] = [GAP + 4 * (SIDE * ZOOM + GAP), 2 * (LINE + SIDE * ZOOM + GAP)];
  expect(lines).toEqual([{ event: 'sheet', file: out, width, height, rows, leftOut: [] }]);
  expect(await sharp(out).metadata()).toMatchObject({ format: 'png', width, height, channels: 3 });
  const { train } = await glyphs();
  for (const [down, sample] of [0, 6000].entries()) {
    const image: Pixels = await train.image(sample);
    expect(await cellOf(out, down, 0)).toEqual([...image.pixels]);
    for (const epoch of [0, 2]) {
      const drawn = await apply([flip(), rotate(30)], image, { seed: 5, epoch, samples: [sample] });
      expect(await cellOf(out, down, 1 + epoch)).toEqual([...drawn.pixels]);
    }
  }
});

it('mixes the images of a sheet with each other, behind the list', async () => {
  const out = join(dir, 'mixed.png');
  const flags = ['--out', out, '--count', 2, '--draws', 2, '--mixup', 1, '--cutmix', 0.5, '--json'];
  const { lines } = await tenon('inspect', '--augment', 'samplePairing(p=0.5)', ...flags);
  const label = 'samplePairing(p=0.5) --mixup 1 --cutmix 0.5';
  expect(lines).toMatchObject([{ rows: [`${label}: image 0`, `${label}: image 6000`] }]);
  const { train } = await glyphs();
  const pair = [await train.image(0), await train.image(6000)];
  const images = { pixels: Buffer.concat(pair.map(({ pixels }) => pixels)), shape: [2, SIDE, SIDE, 1] };
  const list = [samplePairing({ p: 0.5 }), oneOf([mixup(), cutmix({ alpha: 0.5 })])];
  for (const epoch of [0, 1]) {
    const drawn = await apply(list, images, { epoch, samples: [0, 6000] });
    for (const down of [0, 1])
      expect(await cellOf(out, down, 1 + epoch)).toEqual([
        ...drawn.pixels.subarray(down * SIDE * SIDE, (down + 1) * SIDE * SIDE),
      ]);
  }
});

it('gives every augmentation a row of its own', async () => {
  const one = await sharp(noise(40, 48, 3, 1), { raw: { height: 40, width: 48, channels: 3 } })
    .png()
    .toBuffer();
  for (const name of ['a', 'b']) {
    mkdirSync(join(dir, 'photos', 'train', name), { recursive: true });
    writeFileSync(join(dir, 'photos', 'train', name, '1.png'), one);
  }
  const flags = ['--data', join(dir, 'photos'), '--out', join(dir, 'all.png'), '--draws', 2, '--json'];
  const { code, lines } = await tenon('inspect', '--augment', 'all', ...flags);
  expect(code).toBe(0);
  const [{ rows, leftOut }] = lines as [{ rows: string[]; leftOut: unknown[] }];
  expect(leftOut).toEqual([]);
  expect(rows.map((label) => label.replace(/\(.*/, ''))).toEqual([
    ...Object.keys(augmentations),
    '--mixup 1',
    '--cutmix 1',
  ]);
  expect(rows).toEqual(expect.arrayContaining(['flip(p=1)', 'rotate(15)', 'cutout(20)']));
  expect(rows.filter((label) => label.includes('undefined'))).toEqual([]);
});

it('leaves out what does not suit the images, and says so', async () => {
  const { code, out } = await tenon('inspect', '--augment', '--out', join(dir, 'grey.png'), '--draws', 1);
  expect(code).toBe(0);
  expect(out).toMatch(/^left out: colorPca \(.*must have 3 channels, got 1\)$/m);
  expect(out).toMatch(/^wrote .*grey\.png: \d+ rows, each the original and 1 draws$/m);
});

it.each([
  [['--augment', 'rotat(15)'], 2, /did you mean "rotate"/],
  [['--augment', 'flip,all'], 2, /no augmentation "all"/],
  [['--augment', 'colorPca'], 2, /colorPca: images must have 3 channels/],
  [['--augment', 'flip', '--draws', '65'], 2, /--draws must be a whole number from 1 to 64, got 65/],
  [['--augment', 'flip', '--count', '0'], 2, /--count must be a whole number from 1 to 64/],
  [['--augment', 'flip', '--split', 'val'], 1, /glyphs has no split val/],
  [['--augment', 'flip', '--dataset', 'folder'], 2, /needs --data/],
  [['--augment', 'flip', '--out', join(dir, 'none', 'a.png')], 1, /cannot be written/],
  [['--dataset', 'glyphs', '--out', 'a.png'], 2, /--out belongs to --augment/],
  [['--dataset', 'glyphs', '--mixup', '1'], 2, /--mixup belongs to --augment/],
  [['--dataset', 'glyphs', '--draws', '2'], 2, /--draws belongs to --augment/],
])('refuses %j', async (args, exit, message) => {
  const { code, err } = await tenon('inspect', ...args);
  expect(err).toMatch(message);
  expect(code).toBe(exit);
  expect(existsSync('contact-sheet.png')).toBe(false);
});
