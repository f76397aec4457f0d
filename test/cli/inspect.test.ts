import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { tarOf } from '../data/helpers';
import { noise } from '../support/noise';
import { picture } from '../support/pictures';
import { temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();

function put(name: string, bytes: Uint8Array | string): string {
  const path = join(dir, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

function image(height: number, width: number, channels: 1 | 3 | 4, seed = 1): sharp.Sharp {
  return sharp(noise(height, width, channels, seed), { raw: { height, width, channels } });
}

beforeAll(async () => {
  const photo = await image(40, 60, 3).jpeg().toBuffer();
  put('set/train/cat/a.jpg', photo);
  put('set/train/cat/b.png', await image(10, 20, 4).png().toBuffer());
  put('set/train/cat/c.webp', await image(30, 31, 3, 2).webp().toBuffer());
  put(
    'set/train/dog/turned.jpg',
    await image(12, 70, 3, 3).jpeg().withMetadata({ orientation: 6 }).toBuffer(),
  );
  put('set/train/dog/cut.jpg', photo.subarray(0, photo.length / 2));
  put('set/train/dog/text.png', 'not an image');
  put('set/train/dog/notes.txt', 'passed over');
  mkdirSync(join(dir, 'set/train/empty'), { recursive: true });
  put('set/val/dog/copy.jpg', photo);
  put('set/val/dog/grey.png', await image(8, 8, 1).toColourspace('b-w').png().toBuffer());
});

const broken = [
  {
    file: join(dir, 'set/train/dog/cut.jpg'),
    reason: expect.stringContaining('not a readable image') as unknown,
  },
  {
    file: join(dir, 'set/train/dog/text.png'),
    reason: expect.stringContaining('not a readable image') as unknown,
  },
];
const copies = [[join(dir, 'set/train/cat/a.jpg'), join(dir, 'set/val/dog/copy.jpg')]];

it('counts classes, sizes and channels, and lists broken and equal files', async () => {
  const { code, lines } = await tenon('inspect', '--data', join(dir, 'set'), '--json');
  expect(lines).toEqual([
    {
      event: 'split',
      split: 'train',
      images: 6,
      classes: [
        { name: 'cat', images: 3 },
        { name: 'dog', images: 3 },
        { name: 'empty', images: 0 },
      ],
      height: { least: 10, median: 30, most: 70 },
      width: { least: 12, median: 20, most: 60 },
      channels: [
        { channels: 3, images: 3 },
        { channels: 4, images: 1 },
      ],
      broken,
    },
    {
      event: 'split',
      split: 'val',
      images: 2,
      classes: [{ name: 'dog', images: 2 }],
      height: { least: 8, median: 8, most: 40 },
      width: { least: 8, median: 8, most: 60 },
      channels: [
        { channels: 1, images: 1 },
        { channels: 3, images: 1 },
      ],
      broken: [],
    },
    { event: 'done', images: 8, broken: 2, duplicates: copies, nearDuplicates: [] },
  ]);
  expect(code).toBe(1);
});

it('says the same in words', async () => {
  const { code, out } = await tenon('inspect', '--data', join(dir, 'set'));
  expect(out).toMatch(/^train: 6 images, 3 classes$/m);
  expect(out).toMatch(/^ {2}cat +3$/m);
  expect(out).toMatch(/^ {2}height +10 +30 +70$/m);
  expect(out).toMatch(/^ {2}channels: 3 \(3 images\), 4 \(1 images\)$/m);
  expect(out).toMatch(/^ {2}broken: 2$/m);
  expect(out).toMatch(/^ {4}.*text\.png: not a readable image/m);
  expect(out).toMatch(/^ {2}.*a\.jpg = .*copy\.jpg$/m);
  expect(code).toBe(1);
});

it('groups images that look the same, by what that means', async () => {
  const shots = await Promise.all(
    [1, 2, 3, 4].map((seed) =>
      picture(30 * seed, 180, 240)
        .png()
        .toBuffer(),
    ),
  );
  const names = ['a/one', 'a/two', 'b/three', 'b/four'];
  for (const [i, shot] of shots.entries()) put(`near/train/${names[i]}.png`, shot);
  const again = await sharp(shots[0]).jpeg({ quality: 60 }).toBuffer();
  put('near/train/b/first.jpg', again);
  put('near/test/b/first.jpg', again);
  put('near/test/b/third.webp', await sharp(shots[2]).resize(150).webp().toBuffer());
  put('near/train/b/fourth.jpg', await sharp(shots[3]).jpeg({ quality: 50 }).toBuffer());
  for (const grey of [100, 110])
    put(
      `near/train/a/${grey}.png`,
      await sharp({ create: { width: 9, height: 9, channels: 3, background: { r: grey, g: grey, b: grey } } })
        .png()
        .toBuffer(),
    );
  const file = (name: string): string => join(dir, 'near', name);
  const { lines } = await tenon('inspect', '--data', join(dir, 'near'), '--json');
  expect(lines.at(-1)).toMatchObject({
    duplicates: [[file('train/b/first.jpg'), file('test/b/first.jpg')]],
    nearDuplicates: [
      {
        files: [file('train/a/one.png'), file('train/b/first.jpg'), file('test/b/first.jpg')],
        classes: ['a', 'b'],
        splits: ['train', 'test'],
      },
      { files: [file('train/b/four.png'), file('train/b/fourth.jpg')], classes: ['b'], splits: ['train'] },
      {
        files: [file('train/b/three.png'), file('test/b/third.webp')],
        classes: ['b'],
        splits: ['train', 'test'],
      },
    ],
  });
  const { out, code } = await tenon('inspect', '--data', join(dir, 'near'));
  expect(code).toBe(0);
  expect(out).toMatch(
    /^same bytes: 1 group of files\n {2}of several splits.*: 1\n {4}.*first\.jpg = .*first\.jpg$/m,
  );
  expect(out).toMatch(
    /^near duplicates: 3 groups of files\n {2}of several classes.*: 1\n.*one.*\n {2}of several splits.*: 1\n.*third.*\n {2}of one class: 1\n.*fourth/m,
  );
});

it('looks at one split, a folder of classes, an archive, and sets of other forms', async () => {
  const one = await tenon('inspect', '--data', join(dir, 'set'), '--split', 'val', '--json');
  expect(one.code).toBe(0);
  expect(one.lines.map(({ event }) => event)).toEqual(['split', 'done']);
  const classes = await tenon('inspect', '--data', join(dir, 'set/val'), '--json');
  expect(classes.lines[0]).toMatchObject({ split: null, images: 2 });
  const png = await image(5, 6, 3).png().toBuffer();
  const archive = put('images.tar', await tarOf({ 'x/1.png': png, 'y/2.png': png }));
  const packed = await tenon('inspect', '--data', archive, '--json');
  expect(packed.lines).toMatchObject([
    { split: null, images: 2, height: { least: 5, median: 5, most: 5 } },
    { duplicates: [[`${archive}:x/1.png`, `${archive}:y/2.png`]] },
  ]);
  const glyphs = await tenon('inspect', '--dataset', 'glyphs', '--json');
  expect(glyphs.lines).toMatchObject([
    { split: 'train', images: 12_000, width: { least: 28, most: 28 }, channels: [{ channels: 1 }] },
    { split: 'test', images: 2000 },
    { event: 'done', images: 14_000, broken: 0 },
  ]);
  expect(glyphs.code).toBe(0);
});

it('keeps to the limits on files', async () => {
  const { lines } = await tenon(
    ...['inspect', '--data', join(dir, 'set'), '--split', 'val', '--limits', 'maxPixels=100', '--json'],
  );
  expect(lines[0]).toMatchObject({
    height: { least: 8, most: 8 },
    broken: [{ reason: expect.stringContaining('more than 100 (option maxPixels)') as unknown }],
  });
});

it.each([
  [['--data', join(dir, 'nothing')], 1, /does not exist/],
  [['--data', dir, '--split', 'test'], 1, /has no split test.*Folders of classes alone are split train/],
  [['--dataset', 'glyphs', '--split', 'val'], 1, /glyphs has no split val/],
  [[], 2, /needs --data/],
  [['--dataset', 'glyphs', '--data', dir], 2, /generated/],
  [['--data', dir, '--dataset', 'mnst'], 2, /mnist/],
  [['--data', dir, '--limits', 'maxPixels=no'], 2, /maxPixels/],
])('refuses %j', async (args, exit, message) => {
  const { code, err } = await tenon('inspect', ...args);
  expect(err).toMatch(message);
  expect(code).toBe(exit);
});
