import * as errors from '../lib/errors';
import {
  checkKeys,
  clip,
  clipList,
  finite,
  nonNegative,
  oneOf,
  positiveInteger,
  probability,
  show,
} from '../lib/options';

test('every error has its own stable code, its name and its cause', () => {
  const { TenonError, ...kinds } = errors;
  const codes = new Set<string>();
  for (const [name, Kind] of Object.entries(kinds)) {
    const cause = new Error('below');
    const error = new Kind('what came', { cause });
    expect(error).toBeInstanceOf(TenonError);
    expect(error).toMatchObject({ name, message: 'what came', cause });
    expect(error.code).toMatch(/^ERR_TENON_[A-Z]+$/);
    expect(Object.keys(new Kind('x'))).toEqual(['code']);
    codes.add(error.code);
  }
  expect(codes.size).toBe(Object.keys(kinds).length);
});

test('unknown keys are named, with the nearest known one', () => {
  expect(() => checkKeys('optim.sgd', { lr: 1, momentun: 0.9 }, ['lr', 'momentum'])).toThrow(
    'optim.sgd: unknown option "momentun" (did you mean "momentum"?); known: lr, momentum',
  );
  expect(() => checkKeys('f', { a: 1, zzzzzz: 2 }, [])).toThrow(
    'f: unknown options "a", "zzzzzz"; it takes none',
  );
  expect(() => checkKeys('f', null, [])).toThrow(errors.OptionError);
  expect(() => checkKeys('f', 3, ['a'])).toThrow('f: options must be an object, got 3');
  checkKeys('f', undefined, []);
  checkKeys('f', { a: 1 }, ['a', 'b']);
});

test('show writes out lists of a few values, two deep', () => {
  expect(show([1, ['a', []], 2n])).toBe('[1, ["a", an array of 0], 2n]');
  expect(show(Array(9).fill(0))).toBe('an array of 9');
  let deep: unknown[] = [];
  for (let i = 0; i < 20_000; i++) deep = [deep];
  expect(show(deep)).toBe('[[an array of 1]]');
});

test('long texts lose their middle, long lists their end', () => {
  const long = `a${'x'.repeat(10_000)}b`;
  expect(clip('x'.repeat(200))).toBe('x'.repeat(200));
  expect(clip(long)).toMatch(/^ax+\.\.\.x+b$/);
  expect(clip(long)).toHaveLength(200);
  expect(clipList(['a', 'b'])).toBe('a, b');
  expect(clipList([])).toBe('');
  expect(clipList(Array<string>(1000).fill('abc'))).toMatch(/^(abc, )+abc and 960 more$/);
  expect(clipList([long, 'b', 'c'])).toMatch(/^ax+\.\.\.x+b and 2 more$/);
  expect(show(Array.from({ length: 8 }, () => Array<string>(8).fill(long)))).toHaveLength(200);
  expect(show(Symbol(long))).toHaveLength(200);
  expect(show(10n ** 5000n)).toBe('a bigint beyond 64 bits');
});

test('validators return good values and refuse bad ones', () => {
  const bad = [NaN, Infinity, -1, '1', undefined, null, 1n];
  for (const value of bad) {
    for (const check of [positiveInteger, nonNegative, probability])
      expect(() => check('f', 'x', value)).toThrow(errors.OptionError);
  }
  expect(() => finite('f', 'x', NaN)).toThrow('f: x must be a finite number, got NaN');
  expect(() => positiveInteger('f', 'x', 0)).toThrow('f: x must be a positive integer, got 0');
  expect(() => probability('f', 'x', 1.1)).toThrow(errors.OptionError);
  expect([
    positiveInteger('f', 'x', 3),
    finite('f', 'x', -2.5),
    nonNegative('f', 'x', 0),
    probability('f', 'x', 1),
  ]).toEqual([3, -2.5, 0, 1]);
});

test('oneOf lists the choices and guesses', () => {
  expect(oneOf('f', 'kind', 'max', ['max', 'average'])).toBe('max');
  expect(() => oneOf('f', 'kind', 'averge', ['max', 'average'])).toThrow(
    'f: kind must be one of "max", "average", got "averge" (did you mean "average"?)',
  );
});
