/**
 * Settings declared once: what is read, what is refused, the form in files, and the types (checked by tsc:
 * npm run lint).
 */
import { OptionError } from '../../lib/errors';
import * as check from '../../lib/options';
import {
  bool,
  declareSettings,
  integer,
  kind,
  listOf,
  nonEmptyString,
  nonNegative,
  number,
  oneOf,
  positiveInteger,
  type Bounds,
  type OptionsOf,
  type ValuesOf,
} from '../../lib/settings';

/** A pair that may be given as one number: the value that is kept has another type than the one given. */
const sides = kind<readonly [number, number], number | readonly [number, number]>({
  check: (where, name, value) => {
    const [h, w] = Array.isArray(value) ? (value as unknown[]) : [value, value];
    return [check.positiveInteger(where, name, h), check.positiveInteger(where, name, w)];
  },
  domain: {
    type: 'tuple',
    parts: { height: { type: 'integer', minimum: 1 }, width: { type: 'integer', minimum: 1 } },
  },
});

const shared = { eps: nonNegative('Added to the root.', { default: 1e-8 }) };
const settings = declareSettings({
  channels: positiveInteger('Channels of the input.'),
  kernel: sides('Height and width.'),
  stride: sides('Step of the window.', { default: 1 }),
  rule: oneOf(['mean', 'sum'])('How they are put together.', { default: 'mean', absent: 'sum' }),
  names: listOf(nonEmptyString)('Names of the classes.', { default: [] }),
  limit: nonNegative('Default: no limit.', { optional: true }),
  fast: bool('Goes faster.', { default: false, sparse: true }),
  ...shared,
});

type Given = OptionsOf<typeof settings>;
type Kept = ValuesOf<typeof settings>;

const given: Given = { channels: 3, kernel: 5 };
const kept: Kept = {
  channels: 3,
  kernel: [5, 5],
  stride: [1, 1],
  rule: 'mean',
  names: [],
  fast: false,
  eps: 1e-8,
};

describe('reading options', () => {
  test('checks, keeps in the form of the check, and fills in defaults', () => {
    expect(settings.read('nn.thing', given)).toEqual(kept);
    expect(settings.read('nn.thing', { ...given, stride: [2, 3], limit: 0, rule: undefined })).toEqual({
      ...kept,
      stride: [2, 3],
      limit: 0,
    });
  });

  test.each<[string, unknown, string]>([
    [
      'an unknown key',
      { ...given, strides: 2 },
      'nn.thing: unknown option "strides" (did you mean "stride"?)',
    ],
    [
      'a wrong value',
      { ...given, limit: -1 },
      'nn.thing: limit must be a finite number of at least 0, got -1',
    ],
    ['a part of a pair', { ...given, kernel: [3, 0] }, 'nn.thing: kernel must be a positive integer, got 0'],
    [
      'an item of a list',
      { ...given, names: ['a', ''] },
      'nn.thing: names must be a non-empty string, got ""',
    ],
    ['what is missing', { kernel: 3 }, 'nn.thing: channels must be a positive integer, got undefined'],
    ['no options', undefined, 'nn.thing: channels must be a positive integer, got undefined'],
    ['something else', [], 'nn.thing: options must be an object, got []'],
    ['a near choice', { ...given, rule: 'means' }, 'got "means" (did you mean "mean"?)'],
  ])('refuses %s', (_, options, message) => {
    const read = (): unknown => settings.read('nn.thing', options);
    expect(read).toThrow(OptionError);
    expect(read).toThrow(message);
  });
});

describe('the form in files', () => {
  const inFile = {
    channels: 3,
    kernel: [5, 5],
    stride: [1, 1],
    rule: 'mean',
    names: [],
    limit: null,
    eps: 1e-8,
  };

  test('has everything but what is sparse and says nothing new', () => {
    expect(settings.toJson(kept)).toEqual(inFile);
    expect(settings.toJson({ ...kept, fast: true, limit: 2 })).toEqual({ ...inFile, limit: 2, fast: true });
  });

  test('comes back as it was', () => {
    const values = settings.read('nn.thing', { ...given, limit: 2, names: ['a'], fast: true });
    expect(settings.fromJson('file', JSON.parse(JSON.stringify(settings.toJson(values))))).toEqual(values);
    expect(settings.fromJson('file', inFile)).toEqual(kept);
  });

  test('missing keys mean what the declaration says of them, and others are passed over', () => {
    expect(settings.fromJson('file', { channels: 3, kernel: 5, newer: 1 })).toEqual({ ...kept, rule: 'sum' });
    expect(() => settings.fromJson('file', { channels: 3 })).toThrow(/file: kernel must be/);
    expect(() => settings.fromJson('file', { ...inFile, names: 1 })).toThrow(
      'file: names must be a list, got 1',
    );
  });
});

test.each<[Bounds, number[], number[], string]>([
  [{ minimum: 0, exclusiveMaximum: 1 }, [0, 0.5], [1, -1, NaN], 'a number from 0 to below 1'],
  [{ exclusiveMinimum: 0, maximum: 2 }, [1e-9, 2], [0, 2.1], 'a number above 0 to 2'],
  [{ minimum: 1 }, [1, 5], [0.9, Infinity], 'a number from 1'],
])('a number within %j', (bounds, good, bad, expected) => {
  const own = declareSettings({ x: number(bounds)('Some number.') });
  for (const x of good) expect(own.read('thing', { x })).toEqual({ x });
  for (const x of bad)
    expect(() => own.read('thing', { x })).toThrow(`thing: x must be ${expected}, got ${x}`);
  expect(own.declared.x.domain).toEqual({ type: 'number', ...bounds });
});

test('a whole number within bounds', () => {
  const bounds = { minimum: 1, maximum: 3 };
  const own = declareSettings({ x: integer(bounds)('Some number.') });
  for (const x of [1, 3]) expect(own.read('thing', { x })).toEqual({ x });
  for (const x of [0, 4, 1.5, NaN, '2'])
    expect(() => own.read('thing', { x })).toThrow('thing: x must be a whole number from 1 to 3, got ');
  expect(own.declared.x.domain).toEqual({ type: 'integer', ...bounds });
});

test('domains are plain data', () => {
  expect(settings.declared.kernel.domain).toEqual({
    type: 'tuple',
    parts: { height: { type: 'integer', minimum: 1 }, width: { type: 'integer', minimum: 1 } },
  });
  expect(settings.declared.rule.domain).toEqual({ type: 'choice', choices: ['mean', 'sum'] });
  expect(settings.keys).toEqual([
    ...['channels', 'kernel', 'stride', 'rule', 'names', 'limit', 'fast', 'eps'],
  ]);
});

test('the types follow', () => {
  // @ts-expect-error: channels is required
  const missing: Given = { kernel: 3 };
  // @ts-expect-error: no such key
  const unknown: Given = { ...given, kernl: 3 };
  // @ts-expect-error: one of two
  const choice: Given = { ...given, rule: 'max' };
  // @ts-expect-error: a pair is kept as two numbers
  const pair: Kept = { ...kept, stride: 1 };
  // @ts-expect-error: it may be missing
  const limit: number = kept.limit;
  // @ts-expect-error: what is declared does not change
  kept.eps = 1;
  const eps: number = settings.read('nn.thing', given).eps;
  // @ts-expect-error: the default is of another type
  nonNegative('', { default: 'x' });
  expect([missing, unknown, choice, pair, limit, eps]).toHaveLength(6);
});
