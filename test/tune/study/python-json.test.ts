import { parsePythonJson, toPythonJson } from '../../../lib/tune/study/python-json';

test('JSON is read as JSON.parse reads it', () => {
  for (const text of [
    '{"a":[1,-2.5e-3,1E5,true,false,null],"b":{"c":"\\u00fc\\n\\"x\\\\"}}',
    ' [ ] ',
    '{ }',
    '"\\\\\\\\"',
    '0',
    '-0',
    '12345678901234567890123',
    '1e400',
    '{"__proto__":{"x":1},"constructor":2}',
  ])
    expect(parsePythonJson(text)).toEqual(JSON.parse(text));
  expect(Object.keys(parsePythonJson('{"__proto__":1}') as object)).toEqual(['__proto__']);
});

test("Python's words are numbers", () => {
  expect(parsePythonJson('[NaN,Infinity,-Infinity,"NaN"]')).toEqual([NaN, Infinity, -Infinity, 'NaN']);
  expect(toPythonJson([NaN, Infinity, -Infinity, 'NaN', -0, 1e21, 0.1])).toBe(
    '[NaN,Infinity,-Infinity,"NaN",-0.0,1e+21,0.1]',
  );
});

test.each([
  '',
  '{',
  '[1,]',
  '{"a":1,}',
  '{a:1}',
  '{"a" 1}',
  '[1 2]',
  '01',
  '1.',
  '.5',
  '+1',
  '-NaN',
  'nan',
  'inf',
  'nulll',
  '1 1',
  '"\n"',
  '"\\x"',
  '"abc',
  '"\\"',
  "'a'",
  '[',
  ']',
])('refused: %j', (text) => {
  expect(() => parsePythonJson(text)).toThrow(SyntaxError);
});

test('neither way follows lists without end', () => {
  const deep = '['.repeat(101) + ']'.repeat(101);
  expect(() => parsePythonJson(deep)).toThrow(/more than 100 lists within each other at character 101/);
  expect(parsePythonJson(deep.slice(1, -1))).toBeInstanceOf(Array);
  const loop: unknown[] = [];
  loop.push(loop);
  expect(() => toPythonJson(loop as never)).toThrow(RangeError);
});

test('what is written is read again', () => {
  const value = { 'k\u2028"': [{ a: null, b: [true, 'x\ud800'] }, 1e-300, 2 ** 53], empty: {} };
  expect(parsePythonJson(toPythonJson(value))).toEqual(value);
});
