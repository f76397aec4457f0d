'use strict';

// ESLint, prettier, the types of library, tests and examples, the direction of imports in lib,
// clang-format, how comments and pages are wrapped, and whether everything public is documented. --fix mends
// what can be mended.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { root, start, onPath, packageBin, script } = require('./tools.js');

const fix = process.argv.includes('--fix');

function nativeFiles(folder = path.join(root, 'native')) {
  return fs
    .readdirSync(folder, { recursive: true })
    .map((file) => path.join('native', file))
    .filter((file) => /\.(cc|h)$/.test(file))
    .sort();
}

/** Major versions format differently. Debian 12 has this one; .ci/run installs it. */
const CLANG_FORMAT = 14;

function checkClangFormat() {
  if (!onPath('clang-format'))
    throw new Error(
      `clang-format is not installed (version ${CLANG_FORMAT}: apt-get install clang-format-14)`,
    );
  const text = execFileSync('clang-format', ['--version'], { encoding: 'utf8' }).trim();
  if (Number(/version (\d+)/.exec(text)?.[1]) !== CLANG_FORMAT)
    throw new Error(
      `native code is formatted by clang-format ${CLANG_FORMAT}, whose major versions differ, and this is ${text}`,
    );
}

const node = (name, args, bin) => start(process.execPath, [packageBin(name, bin), ...args]);

const steps = {
  eslint: () => node('eslint', ['--max-warnings', '0', ...(fix ? ['--fix'] : []), '.']),
  prettier: () => node('prettier', ['--log-level', 'warn', fix ? '--write' : '--check', '.']),
  types: () => node('typescript', ['--project', 'tsconfig.json'], 'tsc'),
  'types of pages': () => node('typescript', ['--project', 'lib/tune/report/page'], 'tsc'),
  imports: () => node('dependency-cruiser', ['lib', '--config', '--output-type', 'err-long'], 'depcruise'),
  'clang-format': async () => {
    checkClangFormat();
    const files = nativeFiles();
    if (files.length > 0)
      await start('clang-format', [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...files]);
  },
  wrapping: () => start(process.execPath, [path.join(__dirname, 'wrap.js'), ...(fix ? ['--fix'] : [])]),
  reference: () => start(process.execPath, [path.join(__dirname, 'docs', 'run.mjs'), '--check']),
};

/** Runs a step; its name where it failed. */
async function failing([name, step]) {
  try {
    await step();
    return [];
  } catch (error) {
    console.error(`tenon: ${error.message}`);
    return [name];
  }
}

script(async () => {
  const failed = [];
  const all = Object.entries(steps);
  // Side by side, but for --fix: eslint and prettier write the same files.
  if (fix) for (const step of all) failed.push(...(await failing(step)));
  else failed.push(...(await Promise.all(all.map(failing))).flat());
  if (failed.length > 0) throw new Error(`lint failed: ${failed.join(', ')}`);
  console.log(`tenon: lint clean (${Object.keys(steps).join(', ')})`);
});
