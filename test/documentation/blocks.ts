/** The code blocks of pages, and the comments before them that say how they are run. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(__dirname, '..', '..');

/** What the comment before a block says. */
export type Mark =
  /** It runs. `given` names what it takes for granted; `changes` are texts that are replaced before. */
  | Run
  /** It runs as one program with the block above it. */
  | { readonly kind: 'run with the block above' }
  | { readonly kind: 'not run'; readonly reason: string }
  /** It shows a file, or a part of one, with which test/docs.test.ts compares it. */
  | { readonly kind: 'file'; readonly path: string };

interface Run {
  readonly kind: 'run';
  readonly given?: string;
  readonly changes: readonly Change[];
}

export type Change = readonly [from: string, to: string];

export interface Block {
  readonly page: string;
  /** Where its first line of code stands. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  readonly mark: Mark;
}

const FENCE = /(?:^<!-- (.*) -->\n)?^```(.*)\n([\s\S]*?)^```$/gm;

/** The blocks of a page. @throws Error for a comment that says nothing */
export function blocksOf(page: string, markdown: string): Block[] {
  return [...markdown.matchAll(FENCE)].map(
    ({ index, 0: whole, 1: comment, 2: language = '', 3: text = '' }) => {
      const before = markdown.slice(0, index + whole.length).split('\n').length;
      const line = before - text.split('\n').length + 1;
      return { page, line, language, text, mark: markOf(`${page}:${line}`, comment) };
    },
  );
}

function markOf(where: string, comment: string | undefined): Mark {
  if (comment === undefined) return { kind: 'run', changes: [] };
  const [, reason] = /^not run: (.{10,})$/.exec(comment) ?? [];
  if (reason !== undefined) return { kind: 'not run', reason };
  if (comment === 'run with the block above') return { kind: comment };
  const [, path] = /^(?:file|from): (\S+)$/.exec(comment) ?? [];
  if (path !== undefined) return { kind: 'file', path };
  const [run, given, changes] = /^run(?:: ([\w-]+))?(?: with (.*))?$/.exec(comment) ?? [];
  if (run === undefined) throw new Error(`${where}: <!-- ${comment} --> says neither how to run nor why not`);
  return { kind: 'run', ...(given !== undefined && { given }), changes: changesOf(where, changes) };
}

/** `trials: 50 -> trials: 2; 8080 -> 0` */
function changesOf(where: string, text: string | undefined): Change[] {
  if (text === undefined) return [];
  return text.split('; ').map((change) => {
    const [from = '', to, ...more] = change.split(' -> ');
    if (from === '' || to === undefined || more.length > 0)
      throw new Error(`${where}: "${change}" is not a change, as in: trials: 50 -> trials: 2`);
    return [from, to];
  });
}

/** The code with its changes made. @throws Error where a text to change is missing */
export function changed({ page, line, text, mark }: Block): string {
  const changes = mark.kind === 'run' ? mark.changes : [];
  return changes.reduce((code, [from, to]) => {
    if (!code.includes(from)) throw new Error(`${page}:${line}: there is no "${from}" to change`);
    return code.replaceAll(from, to);
  }, text);
}

function below(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' || path === 'docs/api' ? [] : below(path);
    return path.endsWith('.md') ? [path] : [];
  });
}

/** Every page but the records of measurements, which stay as they were written. */
export const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  ...['docs', 'examples', 'native', 'bench'].flatMap(below),
].filter((page) => !/^docs\/results\/.*\d{4}-/.test(page));

export const blocks = pages.flatMap((page) => blocksOf(page, readFileSync(join(root, page), 'utf8')));
