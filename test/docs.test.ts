/** The documentation shows files as they are, names only what exists, and is in plain English. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as tenon from '../lib';
import { pages } from './documentation/blocks';

const root = join(__dirname, '..');
const ROOMS = ['lib', 'native', 'test', 'scripts', 'examples', 'docs', 'bench'];

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function filesBelow(directory: string): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.name === 'node_modules' || path === join('docs', 'api')) return [];
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

const files = ROOMS.flatMap(filesBelow);
/** What is shown between fences, and what stands around them. */
function parts(text: string): { readonly prose: string; readonly blocks: readonly string[] } {
  const pieces = text.split(/^```.*\n/m);
  return {
    prose: pieces.filter((_, i) => i % 2 === 0).join('\n'),
    blocks: pieces.filter((_, i) => i % 2 === 1),
  };
}

describe('files that pages show', () => {
  /** `<!-- file: PATH -->` stands before a block that shows the whole of a file. */
  const shown = pages.flatMap((page) =>
    [...read(page).matchAll(/<!-- file: (\S+) -->\n```\w+\n([\s\S]*?)```/g)].map(
      ([, path = '', text = '']) => [page, path, text] as const,
    ),
  );

  it('are these', () => {
    expect(shown.map(([page, path]) => `${page}: ${path}`)).toEqual([
      'README.md: examples/quickstart.mjs',
      'README.md: examples/serve.mjs',
      'CONTRIBUTING.md: lib/ops/softplus.ts',
      'CONTRIBUTING.md: native/kernels/softplus.cc',
      'CONTRIBUTING.md: test/ops/softplus.test.ts',
      'CONTRIBUTING.md: lib/nn/layers/leaky-relu.ts',
      'CONTRIBUTING.md: lib/optim/adagrad.ts',
      'docs/training.md: examples/loop.mjs',
    ]);
  });

  it.each(shown)('%s shows %s as it is', (_, path, text) => {
    expect(text).toBe(read(path).replaceAll('// prettier-ignore\n', ''));
  });
});

describe('parts of files that pages show', () => {
  /** `<!-- from: PATH -->` stands before a block of lines of a file. */
  const shown = pages.flatMap((page) =>
    [...read(page).matchAll(/<!-- from: (\S+) -->\n```\w+\n([\s\S]*?)```/g)].map(
      ([, path = '', text = '']) => [page, path, text] as const,
    ),
  );

  it('are all marked in the guide, so that they are compared with the files', () => {
    const before = [...read('CONTRIBUTING.md').matchAll(/(.*)\n```(?:ts|cpp)\n/g)].map(([, line]) => line);
    expect(before.filter((line) => !/^<!-- (?:file|from): /.test(line ?? ''))).toEqual([]);
  });

  it.each(shown)('%s shows lines of %s', (_, path, text) => {
    expect(read(path)).toContain(text);
  });
});

describe.each(pages)('%s', (page) => {
  const text = read(page);
  const { prose } = parts(text);

  it('links to what exists', () => {
    const broken = [...prose.matchAll(/\]\(([^)\s]+)\)|\s(?:href|src)=["']([^"']+)/g)]
      .map(([, link, inHtml = '']) => link ?? inHtml)
      .filter((link) => !/^https?:/.test(link) && !exists(page, link));
    expect(broken).toEqual([]);
  });

  it('names files that exist', () => {
    expect(pathsIn(text).filter((path) => !isFile(path))).toEqual([]);
  });

  it('names functions that exist', () => {
    const names = new Set(text.match(API) ?? []);
    expect([...names].filter((name) => !/\.(md|svg)$/.test(name) && !isExported(name))).toEqual([]);
  });

  it('names scripts of package.json that exist', () => {
    const scripts = scriptsFor(page);
    const named = [...text.matchAll(/npm run ([\w:-]*\w)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => name !== 'verify:NAME' && !(name in scripts))).toEqual([]);
  });
});

/** Turns of phrase that no reader of English would write; each is exact enough not to meet good sentences. */
const LAPSES: readonly (readonly [name: string, pattern: RegExp])[] = [
  [
    '"is no X" for "is not an X"',
    /(?<!\bthere )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|fewer\b|such\b)[a-z]/gi,
  ],
  ['a fragment that begins with "Of"', /(?:^|[.:;] )Of (?=[[(a-z`])[^.:;]*/gm],
  [
    '"a X a Y" for "an X per Y"',
    /\b(?:one|bytes|images|samples|examples|steps|batches|line|object|milliseconds) a (?:batch|class|epoch|group|layer|line|pixel|round|row|run|sample|second|step|thread)\b/g,
  ],
];

describe('plain English', () => {
  const sources = files.filter((path) => /\.(ts|js|mjs|cc|h)$/.test(path) && path !== 'test/docs.test.ts');

  it.each(LAPSES)('without %s', (_, pattern) => {
    const found = [...pages, ...sources].flatMap((path) =>
      [...proseOf(path).matchAll(pattern)].map(([text]) => `${path}: ${text}`),
    );
    expect(found).toEqual([]);
  });
});

/**
 * A page without its code blocks, or a source whose comments are freed of their marks; each paragraph
 * on one line.
 */
function proseOf(path: string): string {
  if (path.endsWith('.md')) return parts(read(path)).prose.replaceAll(/(?<=\S)\n\s*(?=[\w`(])/g, ' ');
  const mark = /\n\s*(?:\*|\/\/) (?=\S)/g;
  return read(path)
    .replaceAll(mark, ' ')
    .replaceAll(/\/\*\*? |\/\/ /g, '\n');
}

it('docs/errors.md lists every code that the library throws', () => {
  const thrown = new Set(Object.values(tenon).flatMap((value) => codeOf(value) ?? []));
  expect(thrown.size).toBeGreaterThan(10);
  expect([...thrown].filter((code) => !read('docs/errors.md').includes(`\`${code}\``))).toEqual([]);
});

/** The code of an error class other than the base class. */
function codeOf(value: unknown): string | undefined {
  if (typeof value !== 'function' || !(value.prototype instanceof tenon.TenonError)) return undefined;
  return (Reflect.construct(value, ['']) as tenon.TenonError).code;
}

/** The scripts that a page can name: the repository's, and those of the project that it belongs to. */
function scriptsFor(page: string): object {
  const manifests = ['package.json', join(dirname(page), 'package.json')];
  return Object.assign(
    {},
    ...manifests
      .filter((path) => existsSync(join(root, path)))
      .map((path) => (JSON.parse(read(path)) as { scripts?: object }).scripts),
  ) as object;
}

function exists(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || headings(read(target)).includes(anchor);
}

/** The anchors of a page's headings, as GitHub makes them. */
function headings(text: string): string[] {
  return [...parts(text).prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** Names with a directory of ours in front, or an ending of ours behind. */
function pathsIn(text: string): string[] {
  const paths =
    text.replaceAll(/\]\([^)]*\)/g, ']').match(/(?<![\w/.:@*-])[\w-][\w.-]*(?:\/[\w.-]+)*/g) ?? [];
  return paths
    .map((path) => path.replace(/\.+$/, ''))
    .filter((path) => ROOMS.includes(path.split('/')[0]!) || /\w\.(ts|cc|h|mjs)$/.test(path))
    .filter((path) => !PLACEHOLDER.test(path));
}

/**
 * `lib/ops/X.ts`, `x_geom.h`, `examples/NAME.mjs`; `examples/s` is a unit, node_modules comes
 * with an installation, and docs/api is built.
 */
const PLACEHOLDER = /^docs\/api|(^|\/)([A-Z]+(\.[\w.]+)?$|x_|s$|node_modules)/;

function isFile(path: string): boolean {
  return files.some(
    (file) =>
      file === path ||
      `/${file}`.endsWith(`/${path}`) ||
      [`${path}/`, `${path}.`].some((start) => file.startsWith(start)),
  );
}

const API =
  /\b(?:nn|optim|losses|metrics|models|data|augment|preprocess|prune|schedules|ops)(?:\.[a-z]\w*)+/g;

function isExported(name: string): boolean {
  const [namespace = '', ...members] = name.split('.');
  let value: unknown = (tenon as Record<string, unknown>)[namespace];
  // Methods of what a function returns are another matter, so the search ends at the first function.
  for (const member of members) {
    if (typeof value !== 'object' || value === null) return true;
    if (!(member in value)) return false;
    value = (value as Record<string, unknown>)[member];
  }
  return true;
}
