import { OptionError, ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { philox } from '../../lib/philox';
import { streamKey } from '../../lib/random';
import { runtimeScalar, tensor } from '../../lib/tensor/tensor';

const sizes = [
  [40, 60],
  [300, 200],
  [50, 50],
  [9, 500],
  [1, 1],
] as const;
const table = tensor(
  sizes.flatMap(([h, w]) => [0, h, w]),
  [sizes.length, 3],
  'f64',
);
const PLACE = 3;
const SEED = 77;

/** The uniform numbers of an image, as native/augment/draws.h has them. */
function* uniforms(sample: number, occurrence: number, epoch: number): Generator<number, never> {
  const key = streamKey(SEED, 'augment');
  const words = new Uint32Array(4);
  for (let block = PLACE << 20; ; block++) {
    philox(words, key[0], key[1], sample, occurrence, block, epoch);
    for (const word of words) yield (word >>> 8) / 2 ** 24;
  }
}

function operands(
  rows: readonly number[],
  occurrence: readonly number[],
  epoch: number,
): ops.RandomCropOperands {
  const index = tensor(Int32Array.from(rows));
  const times = tensor(Int32Array.from(occurrence));
  return { table, index, samples: index, occurrence: times, epoch: runtimeScalar(() => epoch) };
}

const rows = [0, 1, 2, 3, 4, 1, 1];
const times = [0, 0, 0, 0, 0, 1, 2];

async function check(
  crops: (operands: ops.RandomCropOperands) => ReturnType<typeof ops.randomScaleCrops>,
  expected: (size: readonly [number, number], next: () => number) => readonly number[],
): Promise<void> {
  for (const epoch of [0, 5]) {
    const got = [...(await crops(operands(rows, times, epoch)).data())];
    const want = rows.flatMap((row, b) => {
      const numbers = uniforms(row, times[b]!, epoch);
      return expected(sizes[row]!, () => numbers.next().value);
    });
    expect(got).toEqual(want);
    for (const b of rows.keys()) {
      const one = await crops(operands([rows[b]!], [times[b]!], epoch)).data();
      expect([...one]).toEqual(got.slice(9 * b, 9 * b + 9));
    }
  }
}

test('random scale crops are what their definition says, whatever the batch', async () => {
  const [oh, ow] = [20, 24];
  await check(
    (all) => ops.randomScaleCrops(all, { seed: SEED, place: PLACE, size: [oh, ow], shortSide: [24, 50] }),
    ([h, w], next) => {
      const side = 24 + Math.floor(next() * 27);
      const [r, c] = h <= w ? [side, Math.floor((w * side) / h)] : [Math.floor((h * side) / w), side];
      return [0, 0, h, w, r, c, Math.floor(next() * (r - oh + 1)), Math.floor(next() * (c - ow + 1)), 0];
    },
  );
});

test("random resized crops are torchvision's, whatever the batch", async () => {
  const [least, most] = [Math.log(3 / 4), Math.log(4 / 3)];
  await check(
    (all) =>
      ops.randomResizedCrops(all, {
        seed: SEED,
        place: PLACE,
        size: 24,
        scale: [0.08, 1],
        ratio: [3 / 4, 4 / 3],
      }),
    ([h, w], next) => {
      for (let attempt = 0; attempt < 10; attempt++) {
        const area = h * w * (0.08 + next() * 0.92);
        const ratio = Math.exp(least + next() * (most - least));
        const [ch, cw] = [Math.round(Math.sqrt(area / ratio)), Math.round(Math.sqrt(area * ratio))];
        if (ch < 1 || cw < 1 || ch > h || cw > w) continue;
        const top = Math.floor(next() * (h - ch + 1));
        return [top, Math.floor(next() * (w - cw + 1)), ch, cw, 24, 24, 0, 0, 0];
      }
      const ratio = Math.min(Math.max(w / h, 3 / 4), 4 / 3);
      const ch = Math.min(h, Math.max(1, Math.round(w / ratio)));
      const cw = Math.min(w, Math.max(1, Math.round(h * ratio)));
      return [Math.floor((h - ch) / 2), Math.floor((w - cw) / 2), ch, cw, 24, 24, 0, 0, 0];
    },
  );
});

test('short sides are drawn evenly, windows lie everywhere', async () => {
  const many = Array.from({ length: 2000 }, (_, i) => i);
  const got = await ops
    .randomScaleCrops(
      {
        ...operands(
          many.map(() => 0),
          many,
          0,
        ),
      },
      { seed: 1, place: 1, size: 24, shortSide: [24, 33] },
    )
    .data();
  const counts = new Map<number, number>();
  let [left, right] = [0, 0];
  for (const i of many) {
    const [side, columns, x] = [got[9 * i + 4]!, got[9 * i + 5]!, got[9 * i + 7]!];
    counts.set(side, (counts.get(side) ?? 0) + 1);
    if (x === 0) left++;
    if (x === columns - 24) right++;
  }
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual([24, 25, 26, 27, 28, 29, 30, 31, 32, 33]);
  for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(80); // 6 deviations
  expect(left).toBeGreaterThan(20);
  expect(right).toBeGreaterThan(20);
});

test('bad input is refused at the call, images that do not exist in the run', async () => {
  const common = { seed: 1, place: 1, size: 24 };
  const all = operands([0], [0], 0);
  const scale = (shortSide: unknown): unknown =>
    ops.randomScaleCrops(all, { ...common, shortSide: shortSide as [number, number] });
  for (const bad of [[23, 40], [40, 30], [24], 24, [24, 32769], [24.5, 30], [NaN, 30]])
    expect(() => scale(bad)).toThrow(OptionError);
  const resized = (scale: unknown, ratio: unknown): unknown =>
    ops.randomResizedCrops(all, { ...common, scale: scale as [0, 1], ratio: ratio as [1, 1] });
  expect(() => resized([0, 1.5], [1, 1])).toThrow(OptionError);
  expect(() => resized([0, 1], [0, 1])).toThrow(OptionError);
  expect(() => ops.randomScaleCrops(all, { ...common, size: 0, shortSide: [30, 40] })).toThrow(ShapeError);
  expect(() =>
    ops.randomScaleCrops(
      { ...all, samples: tensor(Int32Array.of(1, 2)) },
      { ...common, shortSide: [30, 40] },
    ),
  ).toThrow(ShapeError);
  for (const row of [-1, 5])
    await expect(
      ops.randomScaleCrops(operands([row], [0], 0), { ...common, shortSide: [30, 40] }).data(),
    ).rejects.toThrow(/index/);
});
