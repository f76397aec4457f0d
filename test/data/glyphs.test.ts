import { createHash } from 'node:crypto';
import { drawGlyph, glyphs } from '../../lib/data/glyphs';
import { philox } from '../../lib/philox';
import { failure, sample } from './helpers';

test('philox gives the known answers of Random123', () => {
  const out = new Uint32Array(4);
  philox(out, 0, 0, 0, 0, 0, 0);
  expect([...out].map((word) => word.toString(16))).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
  const ones = 0xffffffff;
  philox(out, ones, ones, ones, ones, ones, ones);
  expect([...out].map((word) => word.toString(16))).toEqual(['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd']);
  philox(out, 0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344);
  expect([...out].map((word) => word.toString(16))).toEqual(['d16cfe09', '94fdcceb', '5001e420', '24126ea1']);
});

test('a set has balanced classes and images with ink and paper', async () => {
  const source = await glyphs('train', { count: 200 });
  expect(source).toMatchObject({ length: 200, height: 28, width: 28, channels: 1, eager: true });
  expect(source.classNames).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  for (let c = 0; c < 10; c++) expect(source.labels.filter((label) => label === c)).toHaveLength(20);
  for (let i = 0; i < 200; i++) {
    const image = await sample(source, i);
    const bright = image.filter((value) => value > 120).length;
    expect(bright).toBeGreaterThan(15);
    expect(bright).toBeLessThan(400);
  }
});

test('a sample depends on seed, split and index only', async () => {
  const alone = new Uint8Array(784);
  drawGlyph(3, 'test', 17, alone);
  expect(await sample(await glyphs('test', { count: 20, seed: 3 }), 17)).toEqual(alone);
  for (const [split, seed] of [
    ['train', 3],
    ['validation', 3],
    ['test', 4],
    ['test', 3 + 2 ** 32],
  ] as const) {
    expect(await sample(await glyphs(split, { count: 20, seed }), 17)).not.toEqual(alone);
  }
});

test('the bits are the same on every machine and in every version', async () => {
  const { bytes = new Uint8Array() } = await glyphs('train', { count: 100 });
  expect(createHash('sha256').update(bytes).digest('hex').slice(0, 16)).toBe('69ca08b2b3c2d2e9');
});

test('defaults, and the time it takes', async () => {
  const begun = process.cpuUsage();
  const [train, held] = [await glyphs('train'), await glyphs('test')];
  expect([train.length, held.length]).toEqual([12_000, 2_000]);
  expect(process.cpuUsage(begun).user / 1e6).toBeLessThan(10); // seconds of the processor; 0.6 are usual
});

test('nearest class means, a linear classifier, do badly: the set is not a toy', async () => {
  const train = await glyphs('train', { count: 4000 });
  const held = await glyphs('test', { count: 500 });
  const means = Array.from({ length: 10 }, () => new Float64Array(784));
  for (let i = 0; i < train.length; i++) {
    const mean = means[train.labels[i] ?? 0];
    (await sample(train, i)).forEach((value, p) => mean && (mean[p] = (mean[p] ?? 0) + value / 400));
  }
  let right = 0;
  for (let i = 0; i < held.length; i++) {
    const image = await sample(held, i);
    const distances = means.map((mean) => mean.reduce((sum, m, p) => sum + (m - (image[p] ?? 0)) ** 2, 0));
    if (distances.indexOf(Math.min(...distances)) === held.labels[i]) right++;
  }
  expect(right / held.length).toBeGreaterThan(0.3);
  expect(right / held.length).toBeLessThan(0.85);
});

test('bad options', async () => {
  const codes = await Promise.all([
    failure(() => glyphs('dev' as 'test')),
    failure(() => glyphs('test', { count: 0 })),
    failure(() => glyphs('test', { count: 1e9 })),
    failure(() => glyphs('test', { seed: NaN })),
    failure(() => glyphs('test', { size: 3 } as object)),
  ]);
  expect(codes.map(({ code }) => code)).toEqual(new Array(5).fill('ERR_TENON_OPTION'));
});
