import { OptionError, tune } from '../../../lib';
import { readSpace } from '../../../lib/tune/space/parameters';
import {
  admits,
  dimensionsOf,
  flatValues,
  pointOf,
  pointOfFlat,
  suggestionOf,
} from '../../../lib/tune/space/space';

const space = {
  lr: tune.logUniform(1e-4, 1),
  dropout: tune.uniform(0, 0.5, { step: 0.1 }),
  layers: tune.integer(1, 8, { step: 3 }),
  width: tune.integer(1, 1024, { log: true }),
  act: tune.choice(['relu', 'gelu', null, 3]),
  optimizer: tune.conditional({
    sgd: {
      momentum: tune.uniform(0, 0.99),
      decay: tune.conditional({ on: { by: tune.uniform(0, 1) }, off: {} }),
    },
    adam: {},
  }),
  batchSize: 128,
} as const;

test('a space becomes dimensions, conditions after what they depend on', () => {
  const dimensions = dimensionsOf('here', readSpace('here', space));
  expect(dimensions).toEqual([
    { name: 'lr', domain: { type: 'float', low: 1e-4, high: 1, log: true }, when: [] },
    { name: 'dropout', domain: { type: 'float', low: 0, high: 0.5, log: false, step: 0.1 }, when: [] },
    { name: 'layers', domain: { type: 'integer', low: 1, high: 7, log: false, step: 3 }, when: [] },
    { name: 'width', domain: { type: 'integer', low: 1, high: 1024, log: true, step: 1 }, when: [] },
    { name: 'act', domain: { type: 'choice', choices: ['relu', 'gelu', null, 3] }, when: [] },
    { name: 'optimizer', domain: { type: 'choice', choices: ['sgd', 'adam'] }, when: [] },
    {
      name: 'optimizer.sgd.momentum',
      domain: { type: 'float', low: 0, high: 0.99, log: false },
      when: [{ name: 'optimizer', index: 0 }],
    },
    {
      name: 'optimizer.sgd.decay',
      domain: { type: 'choice', choices: ['on', 'off'] },
      when: [{ name: 'optimizer', index: 0 }],
    },
    {
      name: 'optimizer.sgd.decay.on.by',
      domain: { type: 'float', low: 0, high: 1, log: false },
      when: [
        { name: 'optimizer', index: 0 },
        { name: 'optimizer.sgd.decay', index: 0 },
      ],
    },
  ]);
});

test('points become what trials get, and back', () => {
  const point = {
    lr: 0.01,
    dropout: 0.2,
    layers: 4,
    width: 64,
    act: 2,
    optimizer: 0,
    'optimizer.sgd.momentum': 0.9,
    'optimizer.sgd.decay': 1,
  };
  const params = suggestionOf(space, point);
  expect(params).toEqual({
    lr: 0.01,
    dropout: 0.2,
    layers: 4,
    width: 64,
    act: null,
    optimizer: { choice: 'sgd', momentum: 0.9, decay: { choice: 'off' } },
    batchSize: 128,
  });
  expect(pointOf('here', space, params)).toEqual(point);
  const dimensions = dimensionsOf('here', space);
  const flat = flatValues(dimensions, point);
  expect(flat['optimizer.sgd.decay']).toBe('off');
  expect(pointOfFlat('here', dimensions, flat)).toEqual(point);
  expect(suggestionOf(space, { ...point, optimizer: 1 }).optimizer).toEqual({ choice: 'adam' });
});

test('a part of the parameters can be given', () => {
  expect(pointOf('here', space, { lr: 1, optimizer: { choice: 'sgd' } })).toEqual({ lr: 1, optimizer: 0 });
  const dimensions = dimensionsOf('here', space);
  expect(pointOfFlat('here', dimensions, { optimizer: 'adam', 'optimizer.sgd.momentum': 0.5, x: 1 })).toEqual(
    { optimizer: 1 },
  );
  expect(pointOfFlat('here', dimensions, { 'optimizer.sgd.momentum': 0.5 })).toEqual({
    'optimizer.sgd.momentum': 0.5,
  });
});

test('a space is its own JSON', () => {
  const json: unknown = JSON.parse(JSON.stringify(space));
  expect(readSpace('here', json)).toEqual(space);
});

test.each<[string, () => unknown, RegExp]>([
  ['NaN', () => tune.uniform(NaN, 1), /tune.uniform: low must be a finite number, got NaN/],
  ['low above high', () => tune.uniform(2, 1), /low must not be above high, got 2 and 1/],
  ['too wide', () => tune.uniform(-1e308, 1e308), /too wide a range/],
  ['step 0', () => tune.uniform(0, 1, { step: 0 }), /step must be a finite number above 0/],
  ['unknown option', () => tune.uniform(0, 1, { stepp: 1 } as object), /did you mean "step"/],
  ['log through zero', () => tune.logUniform(0, 1), /low must be above 0 for a logarithmic range, got 0/],
  ['log of negative numbers', () => tune.integer(-1, 1, { log: true }), /low must be above 0/],
  ['log with step', () => tune.integer(1, 9, { log: true, step: 2 }), /has the step 1, got 2/],
  ['fractions', () => tune.integer(0.5, 2), /low must be a whole number, got 0.5/],
  ['no choices', () => tune.choice([]), /at least one choice/],
  ['a choice twice', () => tune.choice(['a', 'b', 'a']), /the choice "a" comes twice/],
  ['a choice that is NaN', () => tune.choice([NaN]), /choice 0: value must be a finite number/],
  ['a choice that is an object', () => tune.choice([{}] as never), /expected a number, a text/],
  ['no branches', () => tune.conditional({}), /at least one branch/],
  ['a parameter called choice', () => tune.conditional({ a: { choice: 1 } }), /choice is the branch itself/],
  ['a list in place of a choice', () => readSpace('s', { a: [1, 2] }), /s: space.a is a list; did you mean/],
  ['a group', () => readSpace('s', { a: { b: tune.uniform(0, 1) } }), /a: type must be one of uniform/],
  ['unknown keys', () => readSpace('s', { a: { ...tune.uniform(0, 1), hihg: 1 } }), /did you mean "high"/],
  ['a name of all objects', () => readSpace('s', JSON.parse('{"__proto__": 1}')), /cannot be the name/],
  ['not an object', () => readSpace('s', [1]), /space must be an object/],
  ['constants only', () => dimensionsOf('s', { a: 1 }), /the space is empty/],
  [
    'two of a name',
    () =>
      dimensionsOf('s', {
        a: tune.conditional({ b: { c: tune.uniform(0, 1) } }),
        'a.b.c': tune.uniform(0, 1),
      }),
    /two parameters of the space are called a.b.c/,
  ],
  ['outside', () => pointOf('s', space, { lr: 2 }), /lr must be a number from 0.0001 to 1, got 2/],
  ['between steps', () => pointOf('s', space, { layers: 2 }), /from 1 to 7 in steps of 3, got 2/],
  ['not a choice', () => pointOf('s', space, { act: 'relus' }), /did you mean "relu"/],
  ['another constant', () => pointOf('s', space, { batchSize: 1 }), /batchSize is always 128/],
  ['unknown name', () => pointOf('s', space, { learningRate: 1 }), /did you mean "lr"/],
  ['branch without choice', () => pointOf('s', space, { optimizer: {} }), /optimizer must be one of/],
])('refused: %s', (_name, act, message) => {
  expect(act).toThrow(OptionError);
  expect(act).toThrow(message);
});

test('hostile files cannot nest without end or be too large', () => {
  let json: object = {};
  for (let i = 0; i < 10_000; i++) json = { a: { type: 'conditional', branches: { b: json } } };
  expect(() => readSpace('s', json)).toThrow(/more than 16 conditionals/);
  const wide = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`p${i}`, tune.uniform(0, 1)]));
  expect(() => dimensionsOf('s', readSpace('s', wide))).toThrow(/at most 1000 parameters, got 1001/);
});

test('steps of tenths hit their end', () => {
  const domain = { type: 'float', low: 0, high: 0.3, log: false, step: 0.1 } as const;
  expect(tune.uniform(0, 0.3, { step: 0.1 }).high).toBe(0.3);
  expect([0, 0.1, 0.2, 0.3, 0.1 + 0.2].map((x) => admits(domain, x))).toEqual(Array(5).fill(true));
  expect([0.05, -0.1, 0.4, NaN].map((x) => admits(domain, x))).toEqual(Array(4).fill(false));
});
