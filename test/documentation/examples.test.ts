/**
 * Every block of JavaScript or TypeScript runs as users would run it, and has the types they would see.
 * CONTRIBUTING.md says how a page tells what a block takes for granted.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasPostgres } from '../tune/study/postgres-server';
import { blocks, blocksOf, root, type Block } from './blocks';
import { moduleOf, programsOf } from './program';
import { run, writeAll } from './run';
import { typeErrors } from './types';

const built = existsSync(join(root, 'dist', 'index.mjs'));
const describeBuilt = built ? describe : describe.skip;
if (!built) console.warn('examples of pages are not run: dist/ is missing (npm run build:ts)');
if (!hasPostgres) console.warn('an example of PostgreSQL is not run: it is not installed (TENON_POSTGRES)');

const here = (block: Block): boolean =>
  block.mark.kind === 'run' && (hasPostgres || block.mark.given !== 'postgres');

/** What is wrong with each block: with its types, or with what it does. */
async function faultsOf(programs: readonly Block[]): Promise<Map<Block, string[]>> {
  const home = mkdtempSync(join(tmpdir(), 'tenon-pages-'));
  try {
    const wrong = typeErrors(writeAll(programs, home));
    const thrown = await run(programs.filter(here), home);
    const faults = (block: Block): string[] => [...wrong.get(block)!, thrown.get(block) ?? ''];
    return new Map(programs.map((block) => [block, faults(block).filter((text) => text !== '')]));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const block = (page: string, language: string, code: string, comment = ''): Block =>
  programsOf(blocksOf(page, `${comment}\n\`\`\`${language}\n${code}\n\`\`\`\n`))[0]!;

/** Blocks with a fault each, and what is said of it. */
const WRONG: [name: string, wrong: Block, faults: RegExp[]][] = [
  [
    'a function that does not exist',
    block('a.md', 'js', 'nn.conv4d(1, 2);'),
    [/^a.md:3: .*'conv4d'/, /conv4d is not a function/],
  ],
  [
    'a name that nothing defines',
    block('b.md', 'js', 'await model.predict(images);'),
    [/'model'/, /'images'/, /model is not defined/],
  ],
  [
    'a name that is not imported',
    block('c.md', 'js', "import { nn } from 'tenon';\n\noptim.sgd({ lr: 1 });"),
    [/^c.md:5: .*'optim'/, /optim is not defined/],
  ],
  ['an option that does not exist', block('d.md', 'js', 'optim.sgd({ rate: 1 });'), [/'rate'/, /rate/]],
  ['an option out of range', block('e.md', 'js', 'optim.sgd({ lr: -1 });'), [/lr must be/]],
  [
    'a type that does not hold',
    block('f.md', 'ts', "const rate: number = 'fast';"),
    [/^f.md:3: Type 'string'/],
  ],
  [
    'an argument without a type',
    block('g.md', 'ts', 'const twice = (x) => 2 * x;'),
    [/'x' implicitly has an 'any' type/],
  ],
  [
    'dots in the place of code',
    block('h.md', 'js', 'const a = { ..., b: 1 };'),
    [/Expression expected/, /Unexpected token/],
  ],
  [
    'an objective that fails',
    block(
      'i.md',
      'js',
      `const study = await tune.study('runs/search', { space: { lr: tune.uniform(0, 1) } });
for await (const { state } of study.run(() => missing, { trials: 1 })) console.log(state);
await study.close();`,
      '<!-- run: searched -->',
    ),
    [/'missing'/, /failed trials.*missing is not defined/],
  ],
];

describeBuilt('examples', () => {
  jest.setTimeout(600_000);
  const programs = programsOf(blocks);
  let faults: Map<Block, string[]>;
  beforeAll(async () => {
    faults = await faultsOf([...programs, ...WRONG.map(([, wrong]) => wrong)]);
  });

  it.each(programs.map((block) => [block.page, block.line, block] as const))(
    '%s:%i',
    (_page, _line, block) => {
      expect(faults.get(block)).toEqual([]);
    },
  );

  it.each(WRONG)('%s is found', (_, wrong, expected) => {
    expect(faults.get(wrong)).toEqual(expected.map((text) => expect.stringMatching(text) as string));
  });

  it('are given nothing that none of them needs', () => {
    const needed = programs.map(({ mark }) => (mark.kind === 'run' ? mark.given : undefined));
    const offered = readdirSync(join(__dirname, 'given')).map((file) => file.replace('.mjs', ''));
    const helpers = ['few', 'trials'];
    expect(new Set(needed.filter(Boolean))).toEqual(
      new Set(offered.filter((name) => !helpers.includes(name))),
    );
  });
});

it.each([
  ['<!-- runs: images -->', '<!-- runs: images --> says neither how to run nor why not'],
  ['<!-- not run: no -->', '<!-- not run: no --> says neither'],
  ['<!-- run: images with 3 to 2 -->', '"3 to 2" is not a change, as in: trials: 50 -> trials: 2'],
  ['<!-- run: nothing -->', 'there is no nothing.mjs in test/documentation/given'],
  ['<!-- run: images with 3 -> 2 -->', 'there is no "3" to change'],
  ['<!-- run with the block above -->', 'there is no block above'],
])('%s is refused', (comment, message) => {
  const read = (): string => moduleOf(block('page.md', 'js', '1 + 1;', comment));
  expect(read).toThrow(message);
  expect(read).toThrow(/^page.md:3: /);
});
