/** The types of examples, as their users' compiler sees them. */
import { join } from 'node:path';
import ts from 'typescript';
import { root, type Block } from './blocks';

const options: ts.CompilerOptions = {
  allowJs: true,
  checkJs: true,
  skipLibCheck: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2023.d.ts'],
  types: ['node'],
  typeRoots: [join(root, 'node_modules', '@types')],
};

/**
 * The errors of types in each file of a block, by the declarations of the built package. TypeScript is
 * checked strictly; JavaScript cannot say what an argument is, or that something is there after all.
 */
export function typeErrors(files: ReadonlyMap<Block, string>): Map<Block, string[]> {
  const read = ts.createCompilerHost(options);
  const sources = new Map<string, ts.SourceFile | undefined>();
  const getSourceFile: typeof read.getSourceFile = (file, ...how) => {
    if (!sources.has(file)) sources.set(file, read.getSourceFile(file, ...how));
    return sources.get(file);
  };
  const host = { ...read, getSourceFile };
  const errors = new Map<Block, string[]>();
  for (const language of ['js', 'ts']) {
    const ours = [...files].filter(([block]) => block.language === language);
    const names = ours.map(([, file]) => file);
    const program = ts.createProgram(names, { ...options, strict: language === 'ts' }, host);
    for (const [block, file] of ours) errors.set(block, errorsOf(program, block, file));
  }
  return errors;
}

function errorsOf(program: ts.Program, { page, line }: Block, file: string): string[] {
  const source = program.getSourceFile(file)!;
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ start = 0, messageText }) =>
      `${page}:${line + source.getLineAndCharacterOfPosition(start).line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
  );
}
