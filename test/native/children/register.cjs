'use strict';

// Lets a plain `node -r` child process (and its workers, which inherit the flag) load TypeScript, as jest does.
const { transformFileSync } = require('@swc/core');

const options = {
  jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
  module: { type: 'commonjs' },
  sourceMaps: 'inline',
};

require.extensions['.ts'] = (module, file) => module._compile(transformFileSync(file, options).code, file);
