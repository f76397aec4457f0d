/** Checked by tsc (npm run lint): each @ts-expect-error must be an error, every other line none. */
import { data, tune } from '../../lib';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_same: Same<A, B>): void {}

const space = {
  lr: tune.logUniform(1e-4, 1),
  layers: tune.integer(1, 4),
  act: tune.choice(['relu', 'gelu', null]),
  optimizer: tune.conditional({ sgd: { momentum: tune.uniform(0, 0.99) }, adam: {} }),
  batchSize: 128,
};

test('what a trial gets follows from the space', () => {
  type Got = tune.Suggested<typeof space>;
  same<Got['lr'], number>(true);
  same<Got['layers'], number>(true);
  same<Got['act'], 'relu' | 'gelu' | null>(true);
  same<Got['batchSize'], number>(true);
  const read = ({ optimizer }: Got): number => {
    // @ts-expect-error adam has no momentum
    void optimizer.momentum;
    return optimizer.choice === 'sgd' ? optimizer.momentum : 0;
  };
  expect(Object.keys(space)).toHaveLength(5);
  expect(read).toBeInstanceOf(Function);
  // @ts-expect-error choices are words, not objects
  expect(() => tune.choice([{}])).toThrow('expected a number');
});

test('an objective on folds gets the same', async () => {
  const set = await data.fromFeatures({ inputs: [1, 2], shape: [1], targets: [0, 1] });
  const study = await tune.study(tune.memory(), { space });
  const folds = study.run(
    tune.crossValidation(
      set,
      ({ act }, { train }, trial) => {
        const seen: 'relu' | 'gelu' | null = act;
        // @ts-expect-error it may be null
        const text: string = act;
        // @ts-expect-error reports are made of whole folds
        void trial.report;
        return seen === text ? train.length : 0;
      },
      { folds: 2 },
    ),
    { trials: 1 },
  );
  const parts = study.run(
    tune.holdOut(set, ({ layers }, _, trial) => (void trial.report, layers), { share: 0.5 }),
    { trials: 1 },
  );
  for (const trials of [folds, parts]) for await (const { state } of trials) expect(state).toBe('complete');
});
