/** Every command that pages show names what exists: options and values of `tenon`, scripts, files. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../../lib/cli/program';
import { Session } from '../../lib/cli/session';
import { temporaryDirectory, tenon } from '../cli/support';
import { blocks, blocksOf, pages, root, type Block } from './blocks';
import { commandsOf } from './shell';

/** Reads a command line and does nothing. */
class Rehearsal extends Session {
  override async perform(): Promise<void> {}
}

function program(): Command {
  const silent = { write: () => undefined };
  return buildProgram(new Rehearsal({ stdout: silent, stderr: silent }, false));
}

/** Other programs that pages use. */
const KNOWN = new Set(
  [
    'cd',
    'mv',
    'curl',
    'docker',
    'kubectl',
    'mpirun',
    'srun',
    'redis-server',
    'sha256sum',
    'python3',
    'npx npm@11',
  ].concat(['ci', 'install', 'publish'].map((name) => `npm ${name}`)),
);

/** What is wrong with a command of a page; an empty text for nothing. */
async function faultOf(page: string, command: readonly string[]): Promise<string> {
  const [name = '', ...args] = command;
  const inside = command.indexOf('tenon');
  if (name === 'tenon' || (/^(?:npx|docker)$/.test(name) && inside > 0))
    return faultOfTenon(command.slice(inside + 1));
  if (name === 'node' && args[0] === 'dist/cli/main.js') return faultOfTenon(args.slice(1));
  if (name === 'node') return faultOfFile(page, args);
  if (name === 'npx' && args[0] === 'jest') return args[1] && isTest(args[1]) ? '' : `no test ${args[1]}`;
  if (name === 'npm' && /^(?:run|start|test)$/.test(args[0]!)) return faultOfScript(page, args);
  if (KNOWN.has(name) || KNOWN.has(`${name} ${args[0]}`) || /\/bin\/(?:python|pip)$/.test(name)) return '';
  return `no program ${name}`;
}

async function faultOfTenon(args: readonly string[]): Promise<string> {
  try {
    await program().parseAsync([...args], { from: 'user' });
  } catch (error) {
    return (error as Error).message;
  }
  // Without their files, these end when all of the command line has been checked.
  if (!args.some((word) => /^--(?:data|model-file|resume)$/.test(word))) return '';
  const { code, err } = await tenon(...args);
  return code === 1 ? '' : `exit code ${code}: ${err}`;
}

const manifest = (folder: string): { readonly scripts?: Record<string, string> } =>
  JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as object;

function faultOfScript(page: string, args: readonly string[]): string {
  const [first = '', second = ''] = args;
  const project = existsSync(join(root, dirname(page), 'package.json')) ? dirname(page) : '.';
  const name = first === 'run' ? second : first;
  return name in (manifest(project).scripts ?? {}) ? '' : `no script ${name} in ${project}/package.json`;
}

/** A file beside the page, or of the repository, that mentions the options it is given. */
function faultOfFile(page: string, [file = '', ...args]: readonly string[]): string {
  const path = [dirname(page), '.'].map((folder) => join(root, folder, file)).find(existsSync);
  if (path === undefined) return `no file ${file}`;
  const text = readFileSync(path, 'utf8');
  const missing = args.filter((word) => word.startsWith('--') && !text.includes(word.slice(2)));
  return missing.map((option) => `${file} has no ${option}`).join(', ');
}

function isTest(path: string): boolean {
  const folder = join(root, dirname(path));
  return existsSync(folder) && readdirSync(folder).some((name) => join(dirname(path), name).startsWith(path));
}

async function faultsOf({ page, text }: Block): Promise<string[]> {
  const faults: string[] = [];
  for (const command of commandsOf(text)) {
    const fault = await faultOf(page, command);
    if (fault !== '') faults.push(`${command.join(' ')}: ${fault}`);
  }
  return faults;
}

const before = process.cwd();
const empty = temporaryDirectory();
beforeAll(() => process.chdir(empty));
afterAll(() => process.chdir(before));

const shell = blocks.filter(({ language }) => language === 'sh');

it.each(shell.map((block) => [block.page, block.line, block] as const))(
  '%s:%i',
  async (_page, _line, block) => {
    execFileSync('sh', ['-n'], { input: block.text });
    expect(commandsOf(block.text)).not.toEqual([]);
    expect(await faultsOf(block)).toEqual([]);
  },
);

it('the examples of tenon --help', async () => {
  const { out } = await tenon('--help');
  const lines = out.match(/(?<=^ {2})tenon \S.*?(?= {3}|$)/gm) ?? [];
  expect(lines.length).toBeGreaterThan(5);
  expect(await faultsOf({ ...shell[0]!, text: `${lines.join('\n')}\n` })).toEqual([]);
});

/** `tenon train --epochs 3` within a sentence. Values are often left out there, or named. */
const IN_PROSE = /`(?:npx )?tenon ([a-z][^`]*)`/g;

/** Options of these commands that do not exist, and commands that do not. */
function unknownIn(text: string): string[] {
  const all = new Map<string, readonly string[]>();
  const add = (path: string, command: Command): void => {
    all.set(
      path,
      command.options.map(({ long }) => long ?? ''),
    );
    for (const inner of command.commands) add(`${path} ${inner.name()}`.trim(), inner);
  };
  add('', program());
  return [...text.replaceAll(/\n/g, ' ').matchAll(IN_PROSE)].flatMap(([span, words = '']) => {
    const [first = '', second = ''] = words.split(' ');
    const options = all.get(`${first} ${second}`) ?? all.get(first);
    if (options === undefined) return [span];
    return (words.match(/(?<= )--[\w-]+/g) ?? [])
      .filter((option) => ![...options, '--help'].includes(option))
      .map((option) => `${span}: ${option}`);
  });
}

it.each(pages)('%s names options of tenon that exist', (page) => {
  expect(unknownIn(readFileSync(join(root, page), 'utf8'))).toEqual([]);
});

describe('what is wrong with a command is found', () => {
  const faults = async (text: string, page = 'README.md'): Promise<string> =>
    (await faultsOf(blocksOf(page, `\`\`\`sh\n${text}\n\`\`\`\n`)[0]!)).join('\n');

  it.each([
    ['tenon trian', "unknown command 'trian'"],
    ['npx tenon train --epoch 3', "unknown option '--epoch'"],
    ['cd x && tenon train --epochs ten # as usual', '--epochs must be a positive integer'],
    ['tenon predict --model-file a', "missing required argument 'image'"],
    ['docker run --rm app tenon train --model lenett', '--model must be one of'],
    ['tenon train --dataset mnist --data DIR --image-size 32', '--image-size belongs to --dataset folder'],
    ['npm run biuld', 'no script biuld in ./package.json'],
    ['npm run train', 'no script train in ./package.json'],
    ['node examples/quickstrat.mjs', 'no file examples/quickstrat.mjs'],
    ['A=1 npx jest test/ops/softplusplus', 'no test test/ops/softplusplus'],
    ['ID=$(node examples/loop.mjs --fast)', 'examples/loop.mjs has no --fast'],
    ['tennon train', 'no program tennon'],
  ])('%s', async (text, fault) => {
    expect(await faults(text)).toContain(fault);
  });

  it('in the place of a page', async () => {
    expect(await faults('npm run train && node server.mjs', 'examples/service/README.md')).toBe('');
    expect(await faults('node server.mjs', 'README.md')).toContain('no file server.mjs');
  });

  it('in sentences', () => {
    expect(
      unknownIn('As `tenon train --epoch 3` does,\n`npx tenon tune\nreport X --out a.html` too.'),
    ).toEqual(['`tenon train --epoch 3`: --epoch']);
    expect(unknownIn('`tenon trian --epochs 3`')).toEqual(['`tenon trian --epochs 3`']);
  });
});
