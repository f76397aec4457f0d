import { tune } from '../../../lib';
import { strategies } from '../../../lib/tune/strategies/registry';
import { suggested } from './harness';

const space = {
  lr: tune.logUniform(1e-4, 1),
  layers: tune.integer(1, 6),
  optimizer: tune.conditional({ sgd: { momentum: tune.uniform(0, 0.99, { step: 0.33 }) }, adam: {} }),
  act: tune.choice(['relu', 'gelu']),
};

type Params = tune.Suggested<typeof space>;

const loss = ({ lr, layers, optimizer }: Params): number =>
  (Math.log10(lr) + 2) ** 2 + layers / 10 + (optimizer.choice === 'sgd' ? 0 : 0.3);

const options: Readonly<Record<string, object>> = {
  grid: { points: 3, order: 'shuffled' },
  tpe: { startup: 5 },
  coarseToFine: { trials: [8, 8], budgets: [1, 2] },
  cmaEs: { population: 4 },
  successiveHalving: { maxResource: 9, rounds: 2, base: 'tpe' },
  hyperband: { maxResource: 3, base: 'tpe' },
};

const every = [
  ...Object.entries(strategies).map(([name, make]) => ({
    name,
    make: () => make({ seed: 3, ...options[name] }),
  })),
  {
    name: 'successiveHalving, asynchronous,',
    make: () =>
      tune.successiveHalving({ asynchronous: true, maxResource: 9, reductionFactor: 2, base: 'gp' }),
  },
];

it('the registry has every strategy by its name', () => {
  expect(Object.keys(strategies)).toEqual(expect.arrayContaining(['random', 'grid', 'tpe', 'coarseToFine', 'cmaEs'])); // prettier-ignore
  for (const [name, make] of Object.entries(strategies)) expect(make(options[name]).name).toBe(name);
});

describe.each(every)('$name in a study', ({ make }) => {
  async function trialsOf(runs: readonly number[]): Promise<readonly tune.StudyTrial<Params>[]> {
    const home = tune.memory();
    for (const trials of runs) {
      const study = await tune.study(home, { space, strategy: make() });
      for await (const { state } of study.run(loss, { trials })) expect(state).toBe('complete');
    }
    const { trials } = await tune.study(home, { space, strategy: make() });
    return trials;
  }

  it('goes on where it stood, with the same points', async () => {
    const whole = await trialsOf([16]);
    const parts = await trialsOf([7, 9]);
    expect(whole).toHaveLength(16);
    expect(parts.map(({ params }) => params)).toEqual(whole.map(({ params }) => params));
  });

  it('suggests what it suggests at once', async () => {
    const study = await tune.study(tune.memory(), { space, strategy: make() });
    for await (const { state } of study.run(loss, { trials: 13 })) expect(state).toBe('complete');
    const trials = study.trials.slice(0, 12);
    const suggestion = suggested(make(), study.dimensions, { trials });
    expect(suggestion.point).toEqual(study.trials[12]!.point);
  });

  it('completes what was enqueued', async () => {
    const study = await tune.study(tune.memory(), { space, strategy: make() });
    await study.enqueue({ lr: 0.5, optimizer: { choice: 'sgd' } });
    for await (const { params } of study.run(loss, { trials: 1 })) {
      expect(params).toMatchObject({ lr: 0.5, optimizer: { choice: 'sgd' } });
      expect(params.layers).toBeGreaterThanOrEqual(1);
    }
  });
});
