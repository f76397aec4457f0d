/**
 * lib/ as TypeScript reads it, for the reference: as it is, but with TypeDoc's tags where the code says them
 * by itself.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import ts from 'typescript';

const { root } = createRequire(import.meta.url)('../tools.js');

/** Types that a declaration of settings makes; they are shown by their properties. */
const OF_SETTINGS = /^(?:OptionsOf|ValuesOf|Readonly)$/;

/** What a statement is to be shown as, where TypeDoc would show a variable or the formula of a type. */
function tagsOf(statement) {
  // The comment before the first `export ... from` is that of the module, and not of what is exported there.
  if (ts.isExportDeclaration(statement))
    return statement === statement.parent.statements[0] ? '@module' : undefined;
  if (!statement.modifiers?.some((one) => one.kind === ts.SyntaxKind.ExportKeyword)) return undefined;
  if (ts.isVariableStatement(statement)) {
    const [{ initializer }] = statement.declarationList.declarations;
    return initializer && ts.isCallExpression(initializer) ? '@function' : undefined;
  }
  // Shown where a function takes them, too.
  if (ts.isInterfaceDeclaration(statement))
    return statement.name.text.endsWith('Options') ? '@expand' : undefined;
  if (!ts.isTypeAliasDeclaration(statement)) return undefined;
  // `(typeof CHOICES)[number]` and `keyof typeof byName` are shown as the choices.
  if (ts.isIndexedAccessTypeNode(statement.type) || ts.isTypeOperatorNode(statement.type))
    return '@useDeclaredType';
  const parts = ts.isIntersectionTypeNode(statement.type) ? statement.type.types : [statement.type];
  return parts.some(ofSettings) ? '@interface @expand' : undefined;
}

function ofSettings(type) {
  return ts.isTypeReferenceNode(type) && OF_SETTINGS.test(type.typeName.getText());
}

/** The text of a file with the tags in its comments; lines stay where they are. */
function withTags(file) {
  const { text } = file;
  const pieces = [];
  let from = 0;
  for (const statement of file.statements) {
    const tags = tagsOf(statement);
    if (tags === undefined) continue;
    const comment = ts.getJSDocCommentsAndTags(statement).findLast((one) => ts.isJSDoc(one));
    const at = comment ? comment.end - '*/'.length : statement.getStart(file);
    pieces.push(text.slice(from, at), comment ? ` ${tags} ` : `/** ${tags} */ `);
    from = at;
  }
  return [...pieces, text.slice(from)].join('');
}

/** @returns the program and the module that names everything public */
export function programOfLib() {
  const file = path.join(root, 'tsconfig.build.json');
  const config = ts.getParsedCommandLineOfConfigFile(file, { noEmit: true, stripInternal: false }, ts.sys);
  const host = ts.createCompilerHost(config.options, true);
  const read = host.getSourceFile.bind(host);
  const lib = path.join(root, 'lib') + path.sep;
  host.getSourceFile = (name, options, ...rest) => {
    const source = read(name, options, ...rest);
    if (source === undefined || !path.normalize(name).startsWith(lib)) return source;
    const text = withTags(source);
    return text === source.text ? source : ts.createSourceFile(name, text, options, true);
  };
  const entry = path.join(root, 'lib', 'index.ts');
  const program = ts.createProgram([entry], config.options, host);
  return { program, sourceFile: program.getSourceFile(entry) };
}

/** Whatever `import ... from 'tenon'` leads to. */
export function publicSymbols(checker, sourceFile) {
  const found = new Set();
  const gather = (scope) => {
    for (const exported of checker.getExportsOfModule(scope)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (found.has(symbol)) continue;
      found.add(symbol);
      if (symbol.flags & ts.SymbolFlags.ValueModule) gather(symbol);
    }
  };
  gather(checker.getSymbolAtLocation(sourceFile));
  return found;
}
