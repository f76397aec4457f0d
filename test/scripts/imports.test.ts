/** The long checks are run by hand, so a name that one of their modules no longer exports would go unseen. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const scripts = join(__dirname, '..', '..', 'scripts');

/** TypeScript's codes: no such export, with and without a guess at what is meant; no such module. */
const MISSING = [2305, 2724, 2307];

it('scripts import what there is', () => {
  const files = readdirSync(scripts, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => join(scripts, file));
  const program = ts.createProgram(files, {
    allowJs: true,
    checkJs: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
  });
  const problems = files.flatMap((file) => program.getSemanticDiagnostics(program.getSourceFile(file)));
  const missing = problems.filter(
    // Packages, and the built tenon, may be absent.
    ({ code, messageText }) => MISSING.includes(code) && !/module '(?!\.)/.test(flat(messageText)),
  );
  expect(files.length).toBeGreaterThan(40);
  expect(missing.map(({ file, messageText }) => `${file?.fileName}: ${flat(messageText)}`)).toEqual([]);
});

function flat(text: string | ts.DiagnosticMessageChain): string {
  return ts.flattenDiagnosticMessageText(text, ' ');
}
