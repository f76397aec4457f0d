'use strict';

// Lets a plain `node -r` child process (and its workers, which inherit the flag) load TypeScript, as jest
// does. What came out is kept under build/, because reading the compiler takes most of a second.
const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { threadId } = require('node:worker_threads');

const cache = join(__dirname, '..', '..', '..', 'build', 'children');

function transpile(file, source) {
  const ts = require('typescript');
  const compilerOptions = {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    esModuleInterop: true,
    inlineSourceMap: true,
  };
  return ts.transpileModule(source, { compilerOptions, fileName: file }).outputText;
}

require.extensions['.ts'] = (module, file) => {
  const source = readFileSync(file, 'utf8');
  const kept = join(cache, `${createHash('sha256').update(file).update(source).digest('hex')}.js`);
  if (!existsSync(kept)) {
    mkdirSync(cache, { recursive: true });
    const temporary = `${kept}.${process.pid}.${threadId}`;
    writeFileSync(temporary, transpile(file, source));
    renameSync(temporary, kept);
  }
  module._compile(readFileSync(kept, 'utf8'), file);
};
