/**
 * What a block of JavaScript or TypeScript becomes: a module in a folder of its own, as its users have it.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { changed, root, type Block } from './blocks';

/** Modules that define what blocks take for granted: a model, data, files in the working directory. */
const GIVEN = join(__dirname, 'given');

/** The blocks of JavaScript and TypeScript, those joined that are one program. */
export function programsOf(blocks: readonly Block[]): Block[] {
  const programs: Block[] = [];
  for (const block of blocks.filter(({ language }) => /^(js|ts)$/.test(language))) {
    const above = programs.at(-1);
    if (block.mark.kind !== 'run with the block above') programs.push(block);
    else if (above?.page !== block.page)
      throw new Error(`${block.page}:${block.line}: there is no block above`);
    else programs[programs.length - 1] = joined(above, block);
  }
  return programs.filter(({ mark }) => mark.kind !== 'file');
}

/** Lines stay as far apart as they are on the page. */
function joined(above: Block, below: Block): Block {
  const end = above.line + above.text.split('\n').length - 1;
  return { ...above, text: above.text + '\n'.repeat(below.line - end) + below.text };
}

interface Declared {
  readonly name: string;
  readonly exported: boolean;
  readonly imported: boolean;
}

/** What is declared at the top of a module. */
function declaredIn(text: string): Declared[] {
  const { statements } = ts.createSourceFile('block.ts', text, ts.ScriptTarget.Latest);
  return statements.flatMap((statement) => {
    const exported = ts.isExportDeclaration(statement) || has(statement, ts.SyntaxKind.ExportKeyword);
    if (has(statement, ts.SyntaxKind.DefaultKeyword)) return [];
    return namesOf(statement)
      .filter((name) => name !== 'default')
      .map((name) => ({ name, exported, imported: ts.isImportDeclaration(statement) }));
  });
}

function has(statement: ts.Statement, modifier: ts.SyntaxKind): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  return modifiers?.some(({ kind }) => kind === modifier) ?? false;
}

function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.flatMap(({ name }) => bound(name));
  if (ts.isExportDeclaration(statement)) return elementsOf(statement.exportClause);
  if (ts.isImportDeclaration(statement)) return elementsOf(statement.importClause?.namedBindings);
  if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement))
    return statement.name ? [statement.name.text] : [];
  return [];
}

/** `{ a, b as c }` */
function elementsOf(clause: ts.NamedExportBindings | ts.NamedImportBindings | undefined): string[] {
  const list = clause && (ts.isNamedImports(clause) || ts.isNamedExports(clause)) ? clause.elements : [];
  return list.map(({ name }) => name.text);
}

/** `a`, `{ a, b: [c] }` */
function bound(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) => (ts.isBindingElement(element) ? bound(element.name) : []));
}

function exportsOf(file: string): string[] {
  const declared = declaredIn(readFileSync(file, 'utf8'));
  return declared.filter(({ exported }) => exported).map(({ name }) => name);
}

/** What a block takes for granted. @throws Error where its comment names nothing that there is */
function grantedTo({
  page,
  line,
  mark,
}: Block): { readonly file: string; readonly names: string[] } | undefined {
  if (mark.kind !== 'run' || mark.given === undefined) return undefined;
  const file = `${mark.given}.mjs`;
  if (!existsSync(join(GIVEN, file)))
    throw new Error(`${page}:${line}: there is no ${file} in test/documentation/given`);
  return { file, names: exportsOf(join(GIVEN, file)) };
}

/**
 * The block with the imports that pages leave out, and exports for the look afterwards. What its comment
 * names is at hand, and so is everything that tenon exports, but only to blocks that import nothing of it.
 */
export function moduleOf(block: Block): string {
  const code = changed(block);
  const declared = declaredIn(code);
  const names = new Set(declared.map(({ name }) => name));
  const granted = grantedTo(block);
  const complete = /^import .* from 'tenon';$/m.test(code);
  const rest = complete ? [] : exportsOf(join(root, 'dist', 'index.mjs'));
  const list = (all: readonly string[]): string => all.filter((name) => !names.has(name)).join(', ');
  const hidden = declared.filter(({ exported, imported }) => !exported && !imported);
  return [
    // On the line of the block's first, so that lines are those of the page.
    `import { ${list(rest.filter((name) => granted?.names.includes(name) !== true))} } from 'tenon';`,
    ...(granted === undefined ? [] : [`import { ${list(granted.names)} } from './given/${granted.file}';`]),
    `${code}\nexport { ${hidden.map(({ name }) => name).join(', ')} };\n`,
  ].join(' ');
}

/** `// objective.mjs` at the head of a block is the name under which blocks below it find it. */
export function fileNameOf({ text }: Block): string | undefined {
  return /^\/\/ ([\w-]+\.mjs)\b/.exec(text)?.[1];
}

/** Makes the program in `from` available under a name in `to`. */
export function writeAs(name: string, from: string, to: string): void {
  const url = JSON.stringify(pathToFileURL(join(from, 'block.mjs')).href);
  writeFileSync(join(to, name), `export { default } from ${url};\n`);
}

/** Writes the module to `folder`, with what it imports, and returns the file whose types are checked. */
export function writeProgram(block: Block, folder: string): string {
  mkdirSync(join(folder, 'given'), { recursive: true });
  for (const name of readdirSync(GIVEN)) copyFileSync(join(GIVEN, name), join(folder, 'given', name));
  const code = moduleOf(block);
  const file = join(folder, `block.${block.language === 'ts' ? 'mts' : 'mjs'}`);
  writeFileSync(file, code);
  if (block.language === 'ts') {
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    writeFileSync(join(folder, 'block.mjs'), outputText);
  }
  return file;
}

/** What programs in `folder` import, as if it were installed there. */
export function install(folder: string): void {
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', 'tenon'), 'dir');
  for (const name of ['sharp', 'echarts', 'pg'])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'dir');
}
