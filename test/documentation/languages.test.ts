/** Blocks that are neither programs nor commands: every one is of a language that is looked at somehow. */
import { spawnSync } from 'node:child_process';
import { blocks } from './blocks';

const of = (language: string) =>
  blocks
    .filter((block) => block.language === language)
    .map((block) => [block.page, block.line, block] as const);

it('every language is known', () => {
  // Without a language: what programs print, and drawings.
  expect(new Set(blocks.map(({ language }) => language))).toEqual(
    new Set(['', 'js', 'ts', 'sh', 'python', 'json', 'cpp']),
  );
});

it.each(of('cpp'))('%s:%i shows a file', (_page, _line, { mark }) => {
  expect(mark.kind).toBe('file');
});

it.each(of('json'))('%s:%i can be read', (_page, _line, { text }) => {
  expect(JSON.parse(text)).toBeInstanceOf(Object);
});

const PARSE = 'import ast, sys; ast.parse(sys.stdin.read())';
const parsed = (input: string) => spawnSync('python3', ['-c', PARSE], { input, encoding: 'utf8' });
const hasPython = parsed('').status === 0;
const why = hasPython ? '' : ' (skipped: python3 is not installed)';

it.each(of('python'))('%s:%i says why it does not run', (_page, _line, { mark }) => {
  expect(mark.kind).toBe('not run');
});

(hasPython ? describe : describe.skip)(`Python${why}`, () => {
  it.each(of('python'))('%s:%i can be read', (_page, _line, { text }) => {
    expect(parsed(text)).toMatchObject({ status: 0, stderr: '' });
  });

  it('that cannot be read is found', () => {
    expect(parsed('a = (\n').stderr).toContain('SyntaxError');
  });
});
