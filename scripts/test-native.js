'use strict';

// Builds and runs native/test/*.cc with ctest; no Node inside them.
//   node scripts/test-native.js                                    beside the addon, same objects
//   node scripts/test-native.js --sanitize address|undefined|thread|address,undefined
//   node scripts/test-native.js --neon                             for aarch64, under qemu-user

const path = require('node:path');
const { parseArgs } = require('node:util');
const { nativeSources } = require('./native-sources.js');
const { buildWithCmake, werror } = require('./build-native.js');
const { root, run, onPath, script, jobs } = require('./tools.js');

const sanitizerOptions = {
  // The executor is never destroyed, on purpose; LeakSanitizer still sees what it reaches.
  ASAN_OPTIONS: 'detect_stack_use_after_return=1:strict_string_checks=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
};

function missing(programs) {
  return programs.filter((program) => !onPath(program));
}

/** A build of its own, without the addon. */
function configureAndBuild(folder, definitions) {
  const all = {
    TENON_ADDON: 'OFF',
    TENON_TESTS: 'ON',
    TENON_WERROR: werror ? 'ON' : 'OFF',
    TENON_NODE: process.execPath,
    ...definitions,
  };
  const flags = Object.entries(all).map(([name, value]) => `-D${name}=${value}`);
  run('cmake', ['-S', root, '-B', folder, ...flags]);
  run('cmake', ['--build', folder, '--parallel', String(jobs)]);
}

script(() => {
  const { values } = parseArgs({ options: { sanitize: { type: 'string' }, neon: { type: 'boolean' } } });
  const needed = ['cmake', 'ctest'];
  if (values.neon) needed.push('aarch64-linux-gnu-g++', 'qemu-aarch64-static');
  const lacking = missing(needed);
  if (nativeSources('test').length === 0 || lacking.length > 0) {
    const why = lacking.length > 0 ? `${lacking.join(', ')} not installed` : 'native/test has no .cc file';
    console.log(`tenon: native tests${values.neon ? ' for aarch64' : ''} skipped: ${why}`);
    return;
  }
  const kind = values.neon ? 'neon' : values.sanitize;
  const folder = path.join(root, 'build', kind?.replace(',', '-') ?? 'cmake');
  if (values.neon) {
    configureAndBuild(folder, { CMAKE_TOOLCHAIN_FILE: path.join(root, 'scripts', 'aarch64-linux.cmake') });
  } else if (values.sanitize) {
    configureAndBuild(folder, { TENON_SANITIZE: values.sanitize, TENON_OF_THIS_MACHINE: 'ON' });
  } else {
    buildWithCmake({ tests: true });
  }
  const inParallel = ['--parallel', String(jobs)];
  // The pool of threads is the same code on every processor, and qemu is slow with many threads. AMX's driver
  // over tiles in software is as well, and no aarch64 takes that path. What a sanitizer sees of convolutions
  // does not depend on the pool, which has tests of its own.
  const slow = values.neon
    ? '^openmp_|^bf16_amx_test$'
    : values.sanitize
      ? '^openmp_conv2d_test$'
      : undefined;
  const left = slow === undefined ? [] : ['--exclude-regex', slow];
  run(
    'ctest',
    ['--test-dir', folder, '--output-on-failure', '--no-tests=error', ...inParallel, ...left],
    sanitizerOptions,
  );
});
