'use strict';

// What is compiled into every addon besides tenon's own code, with its licence. `notice` is the file of
// its text, in zig's folder of libraries or in the npm package.

const { ZIG_VERSION } = require('./zig.js');

/** The release of LLVM that this zig has its clang and C++ library from. */
const LLVM_VERSION = '22.1.8';

const llvm = (name, folder) => ({
  name,
  version: LLVM_VERSION,
  license: 'Apache-2.0 WITH LLVM-exception',
  notice: `${folder}/LICENSE.TXT`,
});

const npm = (name, notice) => {
  const { version } = require('../../package-lock.json').packages[`node_modules/${name}`];
  return { name, version, license: 'MIT', purl: `pkg:npm/${name}@${version}`, notice };
};

const inside = [
  llvm('libc++', 'libcxx'),
  llvm('libc++abi', 'libcxxabi'),
  llvm('libunwind', 'libunwind'),
  { name: 'zig compiler-rt', version: ZIG_VERSION, license: 'MIT', notice: '../LICENSE' },
  npm('node-addon-api', 'LICENSE.md'),
  npm('node-api-headers', 'LICENSE'),
];

module.exports = { inside };
