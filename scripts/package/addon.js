'use strict';

// The addon of one platform, as zig's compiler builds it: with libc++ inside, stripped, exporting nothing
// but its entry points. Zig keeps what it has compiled by the content of the file, its headers
// and the flags, and compiles on all cores; so a second build takes seconds, and there is no list of objects
// to keep here.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { compileFlags } = require('../native-flags.js');
const { headerFolders, nativeSources } = require('../native-sources.js');
const { root } = require('../tools.js');
const { writeHostFunctions } = require('./host-functions.js');

/**
 * Where zig keeps its objects and the libraries that it builds: in the checkout, so that
 * nothing else matters.
 */
const cache = path.join(root, 'build', 'packages', 'zig');

const defines = ['NDEBUG', 'NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS'];

const linux = [
  // The executor thread outlives the environment that loaded the addon, so its code must stay mapped.
  '-Wl,-z,nodelete',
  '-Wl,--version-script=scripts/package/exports.map',
  '-Wl,--build-id=none',
];

/** What the linker is told. */
const linking = {
  linux,
  // What Node provides is found when the addon is loaded.
  darwin: ['-Wl,-undefined,dynamic_lookup'],
  // A hash in the place of the time.
  win32: ['-Wl,-Brepro'],
};

/** The sources of an addon in `folder`. */
function sources(os, folder) {
  return os === 'win32' ? [...nativeSources(), writeHostFunctions(folder)] : nativeSources();
}

/** The arguments of `zig c++` that build `output` for the platform. */
function compileArguments({ os, target }, version, output) {
  return [
    ...['-target', target, '-shared', '-s', '-fPIC', '-pthread'],
    ...['-std=c++20', '-O3', '-fvisibility=hidden', '-fvisibility-inlines-hidden'],
    '-g0', // zig would write what -s strips, which takes a sixth of its time
    ...compileFlags,
    '-Werror',
    // Not the paths of this checkout: two of them build the same bytes.
    `-ffile-prefix-map=${root}=.`,
    ...[...defines, `TENON_VERSION="${version}"`].map((define) => `-D${define}`),
    ...headerFolders().flatMap((folder) => ['-isystem', folder]),
    '-Inative',
    ...linking[os],
    ...['-o', output, ...sources(os, path.dirname(output))],
  ];
}

/** Builds `output`. What the compiler says is an error, warnings too. */
function buildAddon(zig, platform, version, output) {
  fs.mkdirSync(path.dirname(output), { recursive: true });
  const [program, ...first] = zig;
  const { status, signal, error } = spawnSync(
    program,
    [...first, 'c++', ...compileArguments(platform, version, output)],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, ZIG_LOCAL_CACHE_DIR: cache, ZIG_GLOBAL_CACHE_DIR: cache },
    },
  );
  if (error) throw new Error(`${program}: ${error.message}`);
  if (status !== 0) throw new Error(`${platform.name}: zig c++ failed (${signal ?? `exit ${status}`})`);
}

module.exports = { buildAddon };
