'use strict';

// The addon of one platform, as zig's compiler builds it: with libc++ inside, stripped, exporting nothing but
// its entry points. Zig keeps what it has compiled by the content of the file, its headers and the flags; so
// a second build takes seconds. Given several files, it compiles one at a time on two cores: each gets a
// command of its own here, as many at once as there are cores.

const fs = require('node:fs');
const path = require('node:path');
const { compileFlags } = require('../native-flags.js');
const { headerFolders, nativeSources } = require('../native-sources.js');
const { jobs, root, start } = require('../tools.js');
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

/**
 * The arguments of `zig c++` that hold for compiling and for linking. Without -g0, zig would write what -s
 * strips, which takes a sixth of its time.
 */
const common = ({ target }) => ['-target', target, '-fPIC', '-pthread', '-g0'];

function compileArguments(platform, version, source, object) {
  return [
    ...common(platform),
    ...['-std=c++20', '-O3', '-fvisibility=hidden', '-fvisibility-inlines-hidden'],
    ...compileFlags,
    '-Werror',
    // Not the paths of this checkout: two of them build the same bytes.
    `-ffile-prefix-map=${root}=.`,
    ...[...defines, `TENON_VERSION="${version}"`].map((define) => `-D${define}`),
    ...headerFolders().flatMap((folder) => ['-isystem', folder]),
    '-Inative',
    ...['-c', source, '-o', object],
  ];
}

function linkArguments(platform, objects, output) {
  return [...common(platform), '-shared', '-s', '-O3', ...linking[platform.os], '-o', output, ...objects];
}

/** Runs `task` on each item, as many at once as there are cores. After a failure no further one begins. */
async function onAllCores(items, task) {
  const waiting = [...items];
  const worker = async () => {
    while (waiting.length > 0) await task(waiting.shift());
  };
  try {
    await Promise.all(Array.from({ length: jobs }, worker));
  } finally {
    waiting.length = 0;
  }
}

/** Builds `output`. What the compiler says is an error, warnings too. */
async function buildAddon([program, ...first], platform, version, output) {
  const folder = path.dirname(output);
  const objects = path.join(folder, 'objects');
  fs.mkdirSync(objects, { recursive: true });
  const env = { ZIG_LOCAL_CACHE_DIR: cache, ZIG_GLOBAL_CACHE_DIR: cache };
  const zig = (args) =>
    start(program, [...first, 'c++', ...args], env).catch((cause) => {
      throw new Error(`${platform.name}: zig c++: ${cause.message}`, { cause });
    });
  const objectOf = (source) => {
    const name = path.relative(root, path.resolve(root, source)).replaceAll(/[\\/]/g, '-');
    return path.join(objects, `${name}.o`);
  };
  const files = sources(platform.os, folder);
  await onAllCores(files, (source) => zig(compileArguments(platform, version, source, objectOf(source))));
  await zig(linkArguments(platform, files.map(objectOf), output));
}

module.exports = { buildAddon };
