/** `--search` and `--space`: what is searched, and what is refused before the first trial. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSearch } from '../../lib/cli/search-grammar';
import { searchSpace } from '../../lib/cli/search-space';
import { flatWords, settingsOf } from '../../lib/cli/trial-settings';
import { trainCommandOf } from '../../lib/cli/train-command';
import { tune } from '../../lib';
import { temporaryDirectory } from './support';

const dir = temporaryDirectory();
const metric = 'validationAccuracy';

test.each([
  ['lr=log(1e-4, 1)', 'lr', tune.logUniform(1e-4, 1)],
  ['dropout = uniform(0,0.5,step=0.1)', 'dropout', tune.uniform(0, 0.5, { step: 0.1 })],
  // Whole numbers where the setting takes them only.
  ['epochs=uniform(1,4)', 'epochs', tune.integer(1, 4)],
  ['batch-size=log(16,256)', 'batchSize', tune.integer(16, 256, { log: true })],
  ['batchSize=integer(32,128,step=32)', 'batchSize', tune.integer(32, 128, { step: 32 })],
  ['batchSize=32|64', 'batchSize', tune.choice([32, 64])],
  ['model=lenet|vggs', 'model', tune.choice(['lenet', 'vggs'])],
  ['warmup=0|1epoch', 'warmup', tune.choice([0, '1epoch'])],
  ['mixup=none|0.2', 'mixup', tune.choice(['none', 0.2])],
  // Commas and parentheses belong to a list of augmentations.
  [
    'augment=none|flip,crop|oneOf(flip,rotate(15)),cutout(8)',
    'augment',
    tune.choice(['none', 'flip,crop', 'oneOf(flip,rotate(15)),cutout(8)']),
  ],
  [
    'optimizer=sgd(momentum=uniform(0,0.99), weight-decay=0.0005)|adam',
    'optimizer',
    tune.conditional({ sgd: { momentum: tune.uniform(0, 0.99), weightDecay: 0.0005 }, adam: {} }),
  ],
  [
    'loss=focal(focalGamma=1|2)|cross-entropy',
    'loss',
    tune.conditional({ focal: { focalGamma: tune.choice([1, 2]) }, 'cross-entropy': {} }),
  ],
  ['lr=0.1', 'lr', 0.1],
])('%s', (text, name, entry) => {
  expect(parseSearch('--search', text)).toEqual([name, entry]);
});

test('settings reach a trial as tenon train takes them', async () => {
  const search = [
    'optimizer=sgd(momentum=0.8)|adam',
    'augment=none|flip,crop',
    'mixup=none|0.2',
    'lr=log(1e-3,1)',
  ];
  const given = {
    dataset: 'mnist',
    data: 'd',
    model: 'mlp',
    scales: [28, 32],
    freeze: [],
    limits: { maxBytes: 9 },
  } as const;
  const space = await searchSpace({ search, metric: 'trainLoss', given });
  expect(space).toMatchObject({ model: 'mlp', scales: '28,32', freeze: 'none', limits: 'maxBytes=9' });
  const params = {
    ...space,
    optimizer: { choice: 'sgd', momentum: 0.8 },
    augment: 'flip,crop',
    mixup: 'none',
    lr: 0.1,
  };
  expect(settingsOf(params)).toEqual({
    metric: 'trainLoss',
    given: {
      validation: 0.2,
      ...given,
      optimizer: 'sgd',
      momentum: 0.8,
      augment: ['flip', 'crop'],
      mixup: null,
      lr: 0.1,
    },
  });
  expect(flatWords(params)).toMatchObject({ optimizer: 'sgd', momentum: 0.8 });
  const trial = { params, notes: { 'tenon:budget': 3 } } as unknown as Parameters<typeof trainCommandOf>[0];
  expect(trainCommandOf(trial)).toBe(
    'tenon train --dataset mnist --data d --limits maxBytes=9 --validation 0.2 --scales 28,32 --augment flip,crop --model mlp --freeze none --epochs 3 --optimizer sgd --lr 0.1 --momentum 0.8',
  );
});

/** What is wrong with a space, and what is said. */
const WRONG: [search: string[], message: string][] = [
  [[], 'say what to search'],
  [['lr'], '--search must be NAME=WHAT as in lr=log(1e-4,1), got "lr"'],
  [['learning_rate=log(1e-4,1)'], 'unknown option "learning_rate" (did you mean "lr"?)'],
  [['lr=0.1'], 'the space is empty'],
  [['lr=log(0,1)'], 'low must be above 0 for a logarithmic range, got 0, at character 4 of "lr=log(0,1)"'],
  [['lr=log(1,0.1)'], 'low must not be above high'],
  [['lr=log(1e-4)'], 'log takes the ends of the range as in log(1,10)'],
  [['lr=log(1e-4,1,step=3)'], 'a logarithmic range takes no step'],
  [['lr=log(1e-4,1'], '"(" is not closed, at character 7'],
  [['lr=uniform(-1,1)'], 'lr must be a finite number above 0, got -1'],
  [['validation=uniform(0.1,2)'], 'validation must be a number from 0 to 1, got 2'],
  [['lr=1|1.0'], 'the choice 1 comes twice'],
  [['model=lenet|vgg'], '--model must be one of "mlp"'],
  [['augment=flip|rotat(3)'], 'there is no augmentation "rotat" (did you mean "rotate"?)'],
  [['model=uniform(1,2)'], 'the space: model must be one of "mlp"'],
  [['lr=log(1e-4,1)', 'lr=0.1|1'], 'lr is searched twice'],
  [['lr=log(1e-4,1)', 'optimizer=sgd(lr=0.1|1)|adam'], 'lr stands at two places'],
  [['optimizer=sgd(0.9)|adam'], 'a choice takes settings by name, as in sgd(momentum=0.9|0.99)'],
  [['optimizer=sgd(momentu=0.9|0.8)|adam'], 'unknown option "momentu" (did you mean "momentum"?)'],
  [
    ['momentum=uniform(0,0.9)', 'optimizer=sgd|adam'],
    '--momentum belongs to --optimizer sgd, rmsprop, lars; adam takes none. The space has trials with optimizer=adam; what only some choices take belongs into their parentheses',
  ],
  [['loss=focal|cross-entropy', 'focalGamma=1|2'], '--focal-gamma belongs to --loss focal'],
  [['validation=0|0.2'], '--metric validationAccuracy needs a validation set, and --validation is 0'],
];

test.each(WRONG)('%j', async (search, message) => {
  await expect(searchSpace({ search, metric, given: {} })).rejects.toThrow(message);
});

test('a setting is searched or given', async () => {
  const refused = searchSpace({ search: ['lr=0.1|1'], metric, given: { lr: 0.1 } });
  await expect(refused).rejects.toThrow('--lr is given, and lr is searched');
});

describe('a file', () => {
  const file = join(dir, 'space.json');
  const read = (text: string, search?: string[]) => {
    writeFileSync(file, text);
    return searchSpace({ space: file, search, metric, given: { epochs: 3 } });
  };

  test('has constants, and options stand above them', async () => {
    const space = { lr: tune.logUniform(1e-4, 1), batchSize: 128, epochs: 9 };
    expect(await read(JSON.stringify(space), ['dropout=0|0.5'])).toEqual({
      lr: tune.logUniform(1e-4, 1),
      batchSize: 128,
      epochs: 3,
      dropout: tune.choice([0, 0.5]),
      metric,
    });
  });

  test.each([
    ['{"lr": ', 'not valid JSON'],
    ['[]', 'space must be an object, got []'],
    ['{"lr": [0.1, 1]}', 'did you mean tune.choice'],
    ['{"lr": {"type": "logUniform", "low": 0, "high": 1}}', 'low must be above 0'],
    ['{"model": {"type": "choice", "choices": []}}', 'at least one choice'],
    [
      '{"batchSize": {"type": "uniform", "low": 1, "high": 4}}',
      'batchSize takes whole numbers: the range must be of type "integer"',
    ],
    ['{"dropout": {"type": "uniform", "low": 0, "high": 1}, "seed": -1}', 'seed must be an integer'],
    [`{"data": ${JSON.stringify('x'.repeat(20_000))}, "lr": 0.1}`, 'at most 10000 characters'],
  ])('%s', async (text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });
});
