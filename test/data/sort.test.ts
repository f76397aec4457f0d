import { byCodeUnit, sortInTurns } from '../../lib/data/sort';

test.each([0, 1, 4096, 4097, 30_001])('sorts %d items as Array.sort does, stable', async (count) => {
  const items = Array.from({ length: count }, (_, i) => ({ key: String((i * 7919) % 1009), i }));
  const compare = (a: { key: string }, b: { key: string }): number => byCodeUnit(a.key, b.key);
  expect(await sortInTurns(items, compare)).toEqual([...items].sort(compare));
});

test('the order is that of code units', async () => {
  expect(await sortInTurns(['\u00e4', 'b', 'a10', 'a9', 'B'], byCodeUnit)).toEqual([
    'B',
    'a10',
    'a9',
    'b',
    '\u00e4',
  ]);
});
