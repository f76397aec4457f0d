import { values as optuna } from '../../fixtures/importance.json';
import { tune } from '../../../lib';
import { importance, type Judged } from '../../../lib/tune/report/importance';
import type { Domain } from '../../../lib/tune/space/dimension';
import type { Direction } from '../../../lib/tune/study/trial';
import { choice, real, space, trialOf, whole } from '../strategies/harness';

/** Those of the fixture's SPACE. */
const DOMAINS: Readonly<Record<string, Domain>> = {
  momentum: real(-1, 2),
  ratio: real(0, 1, { step: 0.25 }),
  layers: whole(1, 9, { step: 2 }),
  width: whole(1, 64, { log: true }),
  act: choice('relu', 'gelu', 'tanh'),
  one: whole(3, 3),
  optimizer: choice('sgd', 'adam'),
  'optimizer.0.nesterov': choice(false, true),
  'optimizer.1.beta': real(0.8, 0.99),
};

interface Recorded {
  readonly point: Readonly<Record<string, number>>;
  readonly lr: readonly [number, number];
  readonly values: readonly (number | 'inf')[];
}

function studyOf(trials: readonly string[], directions: readonly string[]): Judged {
  return {
    directions: directions as Direction[],
    trials: trials.map((text, i) => {
      const { point, lr, values } = JSON.parse(text) as Recorded;
      const domains = Object.keys(point).map((name) => [
        name,
        name === 'lr' ? real(...lr, { log: true }) : DOMAINS[name]!,
      ]);
      const dimensions = space(Object.fromEntries(domains));
      return trialOf(i, dimensions, point, {
        values: values.map((value) => (value === 'inf' ? Infinity : value)),
      });
    }),
  };
}

describe('tune.importance', () => {
  it.each(optuna.map((one, i) => [i, one] as const))('is that of Optuna: study %i', (_, one) => {
    const { quantile, objective, importance: expected } = one;
    const study = studyOf(one.trials, one.directions);
    const found = importance(study, { quantile, ...(objective === null ? {} : { objective }) });
    expect([...found.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [name, share] of Object.entries(expected)) expect(found.get(name)).toBeCloseTo(share, 10);
    const shares = [...found.values()];
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
  });

  it('is 0 where nothing is known', () => {
    const [dimension] = space({ x: real(0, 1) });
    const trial = trialOf(0, [dimension!], { x: 0.5 }, { values: [1] });
    const of = (...trials: Judged['trials']) => importance({ trials, directions: ['minimize'] });
    expect(of()).toEqual(new Map());
    expect(of(trial)).toEqual(new Map([['x', 0]]));
    expect(of(trial, { ...trial, number: 1 })).toEqual(new Map([['x', 0]]));
    expect(of({ ...trial, values: [NaN] }, trial)).toEqual(new Map([['x', 0]]));
  });

  it('takes a study, and leaves out trials that did not complete', async () => {
    const study = await tune.study(tune.memory(), {
      space: { a: tune.uniform(0, 1), b: tune.uniform(0, 1) },
      strategy: tune.random({ seed: 1 }),
    });
    const objective = ({ a }: { a: number }) => (a > 0.9 ? NaN : (a - 0.3) ** 2);
    for await (const _ of study.run(objective, { trials: 60 }));
    const found = tune.importance(study);
    expect([...found.keys()]).toEqual(['a', 'b']);
    expect(found.get('a')).toBeGreaterThan(0.8);
  });

  it('refuses what it cannot use', () => {
    const study = studyOf([], ['minimize']);
    expect(() => importance(study, { quantile: 1 })).toThrow(/quantile must be above 0 and below 1, got 1/);
    expect(() => importance(study, { objective: 1 })).toThrow(
      /objective must be a whole number below 1, got 1/,
    );
    expect(() => importance(study, { share: 1 } as object)).toThrow(/share/);
  });
});
