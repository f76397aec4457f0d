'use strict';

// ESLint, prettier, the types of library, tests and examples, and clang-format. --fix mends what can be mended.

const fs = require('node:fs');
const path = require('node:path');
const { root, run, onPath, packageBin, script } = require('./tools.js');

const fix = process.argv.includes('--fix');

function nativeFiles(folder = path.join(root, 'native')) {
  return fs
    .readdirSync(folder, { recursive: true })
    .map((file) => path.join('native', file))
    .filter((file) => /\.(cc|h)$/.test(file))
    .sort();
}

const node = (name, args, bin) => run(process.execPath, [packageBin(name, bin), ...args]);

const steps = {
  eslint: () => node('eslint', ['--max-warnings', '0', ...(fix ? ['--fix'] : []), '.']),
  prettier: () => node('prettier', ['--log-level', 'warn', fix ? '--write' : '--check', '.']),
  types: () => node('typescript', ['--project', 'tsconfig.json'], 'tsc'),
  'clang-format': () => {
    if (!onPath('clang-format'))
      throw new Error('clang-format is not installed (apt-get install clang-format)');
    const files = nativeFiles();
    if (files.length > 0) run('clang-format', [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...files]);
  },
};

script(() => {
  const failed = Object.entries(steps).filter(([, step]) => {
    try {
      step();
      return false;
    } catch (error) {
      console.error(`tenon: ${error.message}`);
      return true;
    }
  });
  if (failed.length > 0) throw new Error(`lint failed: ${failed.map(([name]) => name).join(', ')}`);
  console.log(`tenon: lint clean (${Object.keys(steps).join(', ')})`);
});
