/** The sums of ranks on the float64 target. */
import { join } from 'node:path';
import { stepped } from './children/float64';
import { LAUNCHERS, mpirun, why } from './mpirun';

jest.setTimeout(120_000);

const register = join(__dirname, '..', 'native', 'children', 'register.js');
const launcher = LAUNCHERS.find(({ program }) => program) ?? LAUNCHERS[0]!;
const withRanks = launcher.program ? it : it.skip;

// That one process has the gradients of the formula is tested beside it, in test/train/shards.test.ts.
withRanks(`ranks have the float64 gradients of one process${why(launcher)}`, async () => {
  const alone = [await stepped(false), await stepped(true)];
  for (const ranks of [2, 3]) {
    const { lines, err } = await mpirun(launcher, ranks, [
      ...['-r', register],
      join(__dirname, 'children', 'float64.ts'),
    ]);
    expect([err, lines]).toEqual(['', alone.map((weights) => Array<unknown>(ranks).fill(weights))]);
  }
  // More digits than a float has: sums did not go by way of one.
  for (const weights of alone) {
    const digits = weights.flatMap(([, values]) => values).filter((value) => value !== Math.fround(value));
    expect(digits.length).toBeGreaterThan(100);
  }
});
