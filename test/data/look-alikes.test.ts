/** Groups beside those of a plain loop over all pairs. */
import { lookAlikes } from '../../lib/data/look-alikes';
import { noise } from '../support/noise';

/** The comparisons of neighbours as text, or undefined where few of them are clear. */
function bitsOf(grey: Uint8Array): string | undefined {
  let bits = '';
  let clear = 0;
  for (let y = 0; y < 8; y++)
    for (let x = 0; x < 8; x++) {
      const [left, right] = [grey[9 * y + x]!, grey[9 * y + x + 1]!];
      bits += right > left ? '1' : '0';
      if (Math.abs(right - left) >= 4) clear++;
    }
  return clear >= 16 ? bits : undefined;
}

function correlation(a: Uint8Array, b: Uint8Array): number {
  const mean = (values: Uint8Array): number => values.reduce((sum, v) => sum + v, 0) / 72;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((value, i) => {
    const [u, v] = [value - meanA, b[i]! - meanB];
    ab += u * v;
    aa += u * u;
    bb += v * v;
  });
  return ab / Math.sqrt(aa * bb);
}

/** Components of the graph of all pairs. */
function groupsOf(pictures: readonly Uint8Array[]): number[][] {
  const bits = pictures.map(bitsOf);
  const near = (a: number, b: number): boolean => {
    if (bits[a] === undefined || bits[b] === undefined) return false;
    const differ = [...bits[a]].filter((bit, i) => bit !== bits[b]![i]).length;
    return differ <= 7 && correlation(pictures[a]!, pictures[b]!) >= 0.95;
  };
  const seen = new Set<number>();
  const groups: number[][] = [];
  pictures.forEach((_, start) => {
    if (seen.has(start)) return;
    const group = [start];
    seen.add(start);
    for (const from of group)
      pictures.forEach((__, to) => {
        if (seen.has(to) || !near(from, to)) return;
        seen.add(to);
        group.push(to);
      });
    if (group.length > 1) groups.push(group.sort((a, b) => a - b));
  });
  return groups;
}

/** A picture and copies of it, with a few values changed, more from copy to copy. */
function family(seed: number, copies: number, flatRows: number): Uint8Array[] {
  const base = noise(8, 9, 1, seed).map((value, i) => (i < 9 * flatRows ? 200 : value));
  return Array.from({ length: copies }, (_, copy) => {
    const changes = noise(1, 2 * copy, 1, seed + copy);
    const picture = base.slice();
    for (let c = 0; c < copy; c++) picture[changes[2 * c]! % 72] = changes[2 * c + 1]!;
    return picture;
  });
}

it.each([0, 3, 4, 6])('finds the groups of a loop over all pairs (%i flat rows)', async (flatRows) => {
  const pictures = Array.from({ length: 60 }, (_, i) => family(1000 * i + 7, 6, flatRows)).flat();
  const order = [...pictures.keys()].sort((a, b) => ((a * 7919) % 360) - ((b * 7919) % 360));
  const shuffled = order.map((i) => pictures[i]!);
  const expected = groupsOf(shuffled);
  expect(expected.length).toBeGreaterThan(20);
  expect(expected.length).toBeLessThan(200);
  expect(await lookAlikes(shuffled)).toEqual(expected);
});

it('finds pairs whose seven bits are in seven bands, and none of eight bits', async () => {
  const base = Uint8Array.from({ length: 72 }, (_, i) => 10 + 20 * (i % 9));
  // One pixel of each row below its left neighbour, in the same column: on other diagonals.
  const changed = (rows: number): Uint8Array => {
    const picture = base.slice();
    for (let y = 0; y < rows; y++) picture[9 * y + 1]! -= 21;
    return picture;
  };
  expect(await lookAlikes([base, changed(7)])).toEqual([[0, 1]]);
  expect(await lookAlikes([base, changed(8)])).toEqual([]);
});

it('takes no flat pictures for copies of each other', async () => {
  const flat = Array.from({ length: 40 }, (_, i) => new Uint8Array(72).fill(6 * i));
  const noisy = Array.from({ length: 40 }, (_, i) => noise(8, 9, 1, i + 1).map((value) => 99 + (value & 1)));
  expect(await lookAlikes([...flat, ...noisy])).toEqual([]);
  expect(await lookAlikes([])).toEqual([]);
});

it('stays fast, and turns the event loop, where many are the same or share a band', async () => {
  const count = 10_000;
  const same = Array.from({ length: count }, () => noise(8, 9, 1, 5));
  const half = noise(4, 9, 1, 3);
  const sharing = Array.from({ length: count }, (_, i) =>
    Uint8Array.from([...half, ...noise(4, 9, 1, i + 1)]),
  );
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const begin = process.cpuUsage();
  expect(await lookAlikes(same)).toEqual([Array.from({ length: count }, (_, i) => i)]);
  const found = await lookAlikes(sharing);
  clearInterval(timer);
  const { user } = process.cpuUsage(begin);
  expect(found.length).toBeLessThan(count / 100);
  expect(user).toBeLessThan(30e6);
  expect(turns).toBeGreaterThan(10);
});
