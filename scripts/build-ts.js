'use strict';

// Compiles lib/ to dist/: every module in tenon.js, its doors index.js, index.mjs, cli/main.js and those of
// workers, and the types.

const fs = require('node:fs');
const path = require('node:path');
const ts = require('typescript');
const { bundle } = require('./bundle.js');
const { declarations } = require('./declarations.js');
const { root, script } = require('./tools.js');

/** Programs of worker processes and threads, which start from a file of their own. */
const workers = ['tune/run/worker.js', 'augment/custom-worker.js', 'cli/tune-trial.js'];

function compile(dist) {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (diagnostic) => fail([diagnostic]) };
  const configFile = path.join(root, 'tsconfig.build.json');
  const config = ts.getParsedCommandLineOfConfigFile(configFile, { outDir: dist }, host);
  const program = ts.createProgram(config.fileNames, config.options);
  const before = [...config.errors, ...ts.getPreEmitDiagnostics(program)];
  if (before.length > 0) fail(before);
  fs.rmSync(dist, { recursive: true, force: true });
  const modules = new Map();
  const write = (file, text) => {
    if (file.endsWith('.js')) modules.set(path.relative(dist, file).split(path.sep).join('/'), text);
    else writeFile(file, text);
  };
  const { diagnostics } = program.emit(undefined, write, undefined, false, {
    afterDeclarations: [declarations(ts, program)],
  });
  if (diagnostics.length > 0) fail(diagnostics);
  writeFile(path.join(dist, 'tenon.js'), bundle(modules));
  return program;
}

function writeFile(file, text) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}

function fail(diagnostics) {
  const format = process.stderr.isTTY ? ts.formatDiagnosticsWithColorAndContext : ts.formatDiagnostics;
  process.stderr.write(
    format(diagnostics, {
      getCanonicalFileName: (f) => f,
      getCurrentDirectory: () => root,
      getNewLine: () => '\n',
    }),
  );
  throw new Error(`TypeScript: ${diagnostics.length} error(s)`);
}

/** Names of lib/index.ts that exist at run time; read from the types, so the addon need not be built. */
function exportedValues(program) {
  const index = program.getSourceFile(path.join(root, 'lib', 'index.ts'));
  if (!index) throw new Error('lib/index.ts is missing');
  const checker = program.getTypeChecker();
  const symbol = checker.getSymbolAtLocation(index);
  if (!symbol) throw new Error('lib/index.ts exports nothing');
  const isValue = (s) => {
    if (s.declarations?.some((d) => ts.isTypeOnlyImportOrExportDeclaration(d))) return false;
    const target = s.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(s) : s;
    return (target.flags & ts.SymbolFlags.Value) !== 0;
  };
  return checker
    .getExportsOfModule(symbol)
    .filter(isValue)
    .map((s) => s.name)
    .sort();
}

script(() => {
  const dist = path.join(root, 'dist');
  const program = compile(dist);
  const names = exportedValues(program);
  const lines = names.map((name) => `export const ${name} = tenon.${name};\n`);
  // Two statements: of `module.exports = require(...)` node would take the names from all of tenon.js, which
  // it reads for them when index.mjs imports this file, and which takes longer than all else.
  writeFile(
    path.join(dist, 'index.js'),
    `const load = require('./tenon.js');\nmodule.exports = load('index.js');\n`,
  );
  writeFile(path.join(dist, 'index.mjs'), `import tenon from './index.js';\n${lines.join('')}`);
  writeFile(path.join(dist, 'index.d.mts'), `export * from './index.js';\n`);
  const command = path.join(dist, 'cli', 'main.js');
  writeFile(command, `#!/usr/bin/env node\nrequire('../tenon.js')('cli/main.js');\n`);
  fs.chmodSync(command, 0o755);
  for (const program of workers) {
    const door = path.join(dist, program);
    const up = path.relative(path.dirname(door), path.join(dist, 'tenon.js')).split(path.sep).join('/');
    writeFile(door, `module.exports = require('${up}')('${program}');\n`);
  }
  // The parts of the page that reports are made of.
  const page = path.join('tune', 'report', 'page');
  for (const file of fs
    .readdirSync(path.join(root, 'lib', page))
    .filter((name) => /\.(css|html|js)$/.test(name)))
    writeFile(path.join(dist, page, file), fs.readFileSync(path.join(root, 'lib', page, file), 'utf8'));
});
