/**
 * The reference, docs/api, from the comments of lib/ and the pages of docs/: a folder of static files.
 *   npm run docs                  checks, and writes it
 *   npm run docs -- --check       only checks
 * It fails on what is public and undocumented, on types of signatures that nobody can import, and on links
 * that lead nowhere: those to files always, in Markdown as in HTML; those to headings once the site is there.
 */
import { cpSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import * as td from 'typedoc';
import { brokenLinks, missingFiles } from './links.mjs';
import { programOfLib } from './program.mjs';
import { makeReadable } from './readable.mjs';

const { root, script } = createRequire(import.meta.url)('../tools.js');

const out = path.join(root, 'docs', 'api');
const pages = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'));

/** What has to have a comment. */
const DOCUMENTED = [
  ...['Namespace', 'Enum', 'Variable', 'Function', 'Class', 'Interface', 'Method', 'GetSignature'],
  'TypeAlias',
];

const options = {
  name: 'tenon',
  basePath: root,
  displayBasePath: root,
  entryPoints: ['lib/index.ts'],
  readme: path.join(root, 'README.md'),
  projectDocuments: [...pages.map((name) => `docs/${name}`), 'ARCHITECTURE.md', 'CONTRIBUTING.md'],
  excludeInternal: true,
  excludePrivate: true,
  excludeProtected: true,
  // What a reader looks for comes first: functions, and the options that must be given.
  sort: ['kind', 'required-first', 'alphabetical'],
  kindSortOrder: [
    ...['Document', 'Module', 'Namespace', 'Function', 'Class', 'Interface', 'TypeAlias', 'Variable'],
    ...['Reference', 'Constructor', 'Property', 'Accessor', 'Method'],
  ],
  searchInComments: true,
  searchInDocuments: true,
  // The same bytes from the same sources, with no address of anybody's.
  disableGit: true,
  disableSources: true,
  hideGenerator: true,
  includeHierarchySummary: false,
  highlightLanguages: ['bash', 'sh', 'javascript', 'typescript', 'json', 'cpp', 'python'],
  markdownItLoader: anchorsOfCode,
  githubPages: false,
  requiredToBeDocumented: DOCUMENTED,
  // Parts of the types that compute the channels of a chain of layers: no value has them.
  intentionallyNotExported: ['After', 'Flow', 'Next'].map((name) => `lib/nn/typing.ts:${name}`),
  validation: {
    notExported: true,
    invalidLink: true,
    // It takes folders for missing, and does not see what is missing; `missingFiles` does.
    invalidPath: false,
    rewrittenLink: true,
    notDocumented: true,
  },
};

/** Headings with code have its letters in their anchors, as on GitHub: TypeDoc leaves code out of them. */
function anchorsOfCode(parser) {
  parser.core.ruler.push('anchors-of-code', ({ tokens }) => {
    tokens.forEach(({ children }, i) => {
      if (tokens[i - 1]?.type !== 'heading_open') return;
      for (const child of children ?? []) if (child.type === 'code_inline') child.type = 'text';
    });
  });
}

function refuseBroken(links) {
  if (links.length > 0) throw new Error(`links that lead nowhere:\n${links.join('\n')}`);
}

/** Folders that pages link to. */
const FOLDERS = ['results', 'lecture'];

script(async () => {
  const app = await td.Application.bootstrap(options);
  const entry = programOfLib();
  makeReadable(app, entry);
  const missing = missingFiles(app);
  const project = app.converter.convert([{ displayName: 'tenon', ...entry }]);
  app.validate(project);
  const { errorCount, warningCount } = app.logger;
  if (errorCount + warningCount > 0)
    throw new Error(`the documentation has ${errorCount + warningCount} faults`);
  refuseBroken(missing);
  if (process.argv.includes('--check')) return;
  await app.generateDocs(project, out);
  for (const name of FOLDERS)
    cpSync(path.join(root, 'docs', name), path.join(out, 'media', name), { recursive: true });
  refuseBroken(brokenLinks(out));
});
