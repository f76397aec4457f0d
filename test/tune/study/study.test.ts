import { OptionError, tune } from '../../../lib';

const space = { x: tune.uniform(-1, 1), act: tune.choice(['relu', 'gelu']), epochs: 3 };

async function drain<T>(trials: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const trial of trials) all.push(trial);
  return all;
}

test('a study runs trials and knows the best; the same seed proposes the same', async () => {
  const searched = async (): Promise<readonly (readonly [number, number | undefined])[]> => {
    const study = await tune.study(tune.memory(), { space, strategy: tune.random({ seed: 3 }) });
    const seen = await drain(study.run(({ x, epochs }) => x * x * epochs, { trials: 8 }));
    expect(study.trials).toEqual(seen);
    const least = Math.min(...seen.map(({ value }) => value ?? NaN));
    expect(study.best?.value).toBe(least);
    expect(study.best?.params.epochs).toBe(3);
    return seen.map(({ params, value }) => [params.x, value] as const);
  };
  const first = await searched();
  expect(new Set(first.map(([x]) => x)).size).toBe(8);
  expect(await searched()).toEqual(first);
});

test('maximize, several objectives and the front', async () => {
  const study = await tune.study(tune.memory(), {
    space,
    directions: ['minimize', 'maximize'],
    strategy: tune.random(),
  });
  await drain(study.run(({ x }) => [x * x, x], { trials: 20 }));
  expect(() => study.best).toThrow(OptionError);
  const beaten = (x: number): boolean =>
    study.trials.some(({ params: other }) => other.x ** 2 <= x * x && other.x >= x && other.x !== x);
  expect(study.front().length).toBeGreaterThan(1);
  expect(study.front().map(({ number }) => number)).toEqual(
    study.trials.filter(({ params: { x } }) => !beaten(x)).map(({ number }) => number),
  );
  const most = await tune.study(tune.memory(), { space, direction: 'maximize', strategy: tune.random() });
  await drain(most.run(({ x }) => x, { trials: 5 }));
  expect(most.best?.value).toBe(Math.max(...most.trials.map(({ value }) => value ?? NaN)));
});

test('a trial that throws, or returns what is not a number, fails, and the search goes on', async () => {
  const study = await tune.study(tune.memory(), { space });
  const bad: unknown[] = [NaN, undefined, 'x', [1, 2], Infinity];
  const trials = await drain(
    study.run(
      (_, { number }) => {
        if (number < bad.length) return bad[number] as number;
        if (number === bad.length) throw new Error('out of luck');
        return 1;
      },
      { trials: bad.length + 2 },
    ),
  );
  expect(trials.map(({ state }) => state)).toEqual([...Array<string>(6).fill('failed'), 'complete']);
  expect(trials[0]?.notes['tenon:error']).toBe('the objective returned NaN, not a finite number');
  expect(trials[5]?.notes['tenon:error']).toBe('out of luck');
  expect(study.best?.number).toBe(6);
});

test('reports ask the rules, and a rule ends the trial', async () => {
  const second = {
    name: 'second',
    settings: {},
    stops: ({ trial }: tune.RuleState) => (trial.reports.length === 2 ? 'two are enough' : undefined),
  };
  const study = await tune.study(tune.memory(), { space, rules: [second] });
  const reported: number[] = [];
  const [trial] = await drain(
    study.run(
      async (_, run) => {
        for (let step = 0; step < 5; step++) {
          reported.push(step);
          await run.report(step, 10 - step);
        }
        return 1;
      },
      { trials: 1 },
    ),
  );
  expect(reported).toEqual([0, 1]);
  expect(trial).toMatchObject({ state: 'pruned', notes: { 'tenon:reason': 'two are enough' }, values: [9] });
  expect(trial?.reports).toEqual([
    { step: 0, value: 10 },
    { step: 1, value: 9 },
  ]);
  expect(study.best).toBeUndefined();
});

test('enqueued trials come first, the rest of their parameters from the strategy', async () => {
  const study = await tune.study(tune.memory(), { space });
  expect(await study.enqueue({ x: 0.5 })).toBe(0);
  await expect(study.enqueue({ x: 5 })).rejects.toThrow('x must be a number from -1 to 1, got 5');
  const [first, second] = await drain(study.run(({ x }) => x, { trials: 2 }));
  expect(first?.params).toMatchObject({ x: 0.5, epochs: 3 });
  expect(['relu', 'gelu']).toContain(first?.params.act);
  expect(second?.number).toBe(1);
});

test('notes stand beside the trial', async () => {
  const study = await tune.study(tune.memory(), { space });
  const [trial] = await drain(
    study.run(
      async (_, run) => {
        await run.note('seconds', { forward: 1, rates: [0.1, Infinity] });
        const loop: unknown[] = [];
        loop.push(loop);
        await expect(run.note('loop', loop as never)).rejects.toThrow('value holds itself');
        await expect(run.note('function', test as never)).rejects.toThrow('value must be JSON');
        return 0;
      },
      { trials: 1 },
    ),
  );
  expect(trial?.attributes).toEqual({ seconds: { forward: 1, rates: [0.1, Infinity] } });
});

test('an opened study goes on, and refuses to become another one', async () => {
  const home = tune.memory();
  const strategy = tune.random({ seed: 1 });
  const study = await tune.study(home, { space, strategy });
  await drain(study.run(({ x }) => x, { trials: 3 }));
  const again = await tune.study(home);
  expect(again.strategy.seed).toBe(1);
  await drain(again.run(({ x }) => Number(x), { trials: 2 }));
  expect(again.trials).toHaveLength(5);
  const one = await tune.study(tune.memory(), { space, strategy });
  await drain(one.run(({ x }) => x, { trials: 5 }));
  expect(one.trials.map(({ point }) => point)).toEqual(again.trials.map(({ point }) => point));

  const other = { ...space, x: tune.uniform(-2, 1) };
  await expect(tune.study(home, { space: other })).rejects.toThrow(/x has another range .* extend: true/);
  await expect(tune.study(home, { direction: 'maximize' })).rejects.toThrow(/was made to minimize, not to/);
  await expect(tune.study(home, { strategy: tune.random({ seed: 2 }) })).rejects.toThrow(
    /was made with .*"seed":1/,
  );
  await expect(
    tune.study(home, { space: { ...space, act: tune.choice(['relu']) }, extend: true }),
  ).rejects.toThrow(/act has another kind or other choices/);
  const { act, epochs } = space;
  await expect(tune.study(home, { space: { act, epochs } })).rejects.toThrow(
    /x is not in the space any more/,
  );
  await expect(tune.study(home, { space: { ...space, y: tune.uniform(0, 1) } })).rejects.toThrow(
    /y is not in/,
  );
  await expect(tune.study(home, { space: { ...space, epochs: 4 } })).rejects.toThrow(/constants/);
  const wider = await tune.study(home, { space: other, extend: true });
  await drain(wider.run(({ x }) => x, { trials: 1 }));
  expect((await tune.study(home)).trials).toHaveLength(6);
});

test('rules are those of the record', async () => {
  const home = tune.memory();
  await tune.study(home, { space, rules: [tune.diverged({ factor: 2 }), tune.median()] });
  const again = await tune.study(home);
  expect(again.rules.map(({ name }) => name)).toEqual(['diverged', 'median']);
  expect(again.rules[0]?.settings).toMatchObject({ factor: 2 });
  await expect(tune.study(home, { rules: [] })).rejects.toThrow(/was made with .*diverged/);
  const own = { name: 'own', settings: {}, stops: () => undefined };
  await tune.study(home, { rules: [own], extend: true });
  await expect(tune.study(home)).rejects.toThrow(/was made with .*own.*, not with \[\]/);
  const [trial] = await drain(
    (await tune.study(home, { rules: [own] })).run(({ x }) => Number(x), { trials: 1 }),
  );
  expect(trial?.state).toBe('complete');
});

test('constants of branches belong to the space', async () => {
  const home = tune.memory();
  const of = (decay: number) => ({ o: tune.conditional({ a: { decay }, b: {} }) });
  await tune.study(home, { space: of(1) });
  await tune.study(home, { space: of(1) });
  await expect(tune.study(home, { space: of(2) })).rejects.toThrow(/constants of the space differ/);
});

test.each<[string, () => Promise<unknown>, RegExp]>([
  ['no space', () => tune.study(tune.memory()), /has no study study yet, so it needs a space/],
  ['an empty space', () => tune.study(tune.memory(), { space: {} }), /the space is empty/],
  ['no home', () => tune.study(5 as never), /expected the path of a folder/],
  ['an unknown option', () => tune.study(tune.memory(), { spaces: 1 } as object), /did you mean "space"/],
  [
    'a direction',
    () => tune.study(tune.memory(), { space, direction: 'up' as never }),
    /must be one of "minimize"/,
  ],
  [
    'direction and directions',
    () => tune.study(tune.memory(), { space, direction: 'minimize', directions: ['minimize'] }),
    /not both/,
  ],
  [
    'a strategy',
    () => tune.study(tune.memory(), { space, strategy: tune.tpe as never }),
    /strategy must be one/,
  ],
])('refused: %s', async (_name, act, message) => {
  await expect(act()).rejects.toThrow(OptionError);
  await expect(act()).rejects.toThrow(message);
});

test('a signal ends the search with a typed error', async () => {
  const study = await tune.study(tune.memory(), { space });
  const controller = new AbortController();
  const run = study.run(({ x }) => (controller.abort(), x), { signal: controller.signal });
  await expect(drain(run)).rejects.toMatchObject({ code: 'ERR_TENON_ABORTED' });
  expect(study.trials.map(({ state }) => state)).toEqual(['complete']);
});

test('two searches of one log share its trials', async () => {
  const home = tune.memory();
  const one = await tune.study(home, { space });
  const two = await tune.study(home);
  await Promise.all([one, two].map((study) => drain(study.run(({ x }) => Number(x), { trials: 10 }))));
  await one.sync();
  await two.sync();
  expect(one.trials.map(({ number, state }) => [number, state])).toEqual(
    Array.from({ length: 20 }, (_, i) => [i, 'complete']),
  );
  expect(two.trials).toEqual(one.trials);
  expect(new Set(one.trials.map(({ worker }) => worker)).size).toBe(2);
});

test('a lost trial fails and its point is tried anew, once', async () => {
  const study = await tune.study(tune.memory(), { space });
  const taken = await study.take();
  if (taken === undefined || taken === 'wait') throw new Error('no trial');
  const before = performance.now();
  await study.beat(0);
  const [beating] = await study.running();
  expect(beating?.age).toBeGreaterThanOrEqual(0);
  expect(beating?.age).toBeLessThanOrEqual(performance.now() - before);
  const loss = { error: 'its worker died', retries: 1 };
  expect(await study.lose(0, loss)).toBe(true);
  expect(await study.lose(0, loss)).toBe(false);
  const [again] = await drain(study.run(({ x }) => x, { trials: 1 }));
  expect(again?.point).toEqual(taken.point);
  expect(again?.notes).toMatchObject({ 'tenon:retries': 1, 'tenon:retryOf': 0 });
  expect(study.trials.map(({ state }) => state)).toEqual(['failed', 'complete']);
  expect(await study.finish(0, { state: 'complete', values: [1] })).toMatchObject({ state: 'failed' });
});
