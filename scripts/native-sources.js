'use strict';

// The one list of native sources: CMakeLists.txt and native/binding.gyp both read it from here. Paths are
// relative to the folder that it is run in.
//   node scripts/native-sources.js          everything that goes into the addon that is published
//   node scripts/native-sources.js addon    its Node-API doors
//   node scripts/native-sources.js core     the rest, without a pool of threads
//   node scripts/native-sources.js team | openmp      the two pools; an addon has one
//   node scripts/native-sources.js test     native tests, one program each
//   node scripts/native-sources.js node-api-headers | node-addon-api      where that package's headers are
//   node scripts/native-sources.js version  of the package; the addon is compiled with it
//   node scripts/native-sources.js flags    of the compiler

const fs = require('node:fs');
const path = require('node:path');
const { compileFlags } = require('./native-flags.js');
const { root, packageFolder } = require('./tools.js');

const pools = { team: 'native/base/parallel_team.cc', openmp: 'native/base/parallel_openmp.cc' };
const groups = {
  addon: () => sourcesIn('addon'),
  core: () => sourcesIn('augment', 'base', 'distributed', 'kernels', 'ops', 'ref', 'runtime').filter(notPool),
  team: () => [pools.team],
  openmp: () => [pools.openmp],
  test: () => sourcesIn('test'),
  all: () => [...groups.addon(), ...groups.core(), pools.team],
};

const notPool = (file) => !Object.values(pools).includes(file);

function sourcesIn(...folders) {
  return folders
    .flatMap((folder) => {
      const directory = path.join(root, 'native', folder);
      if (!fs.existsSync(directory)) return [];
      return fs.readdirSync(directory).map((file) => `native/${folder}/${file}`);
    })
    .filter((file) => file.endsWith('.cc'))
    .sort();
}

function nativeSources(group = 'all') {
  const sources = groups[group];
  if (!sources) throw new Error(`native-sources: unknown group '${group}', expected ${Object.keys(groups)}`);
  return sources();
}

function headers(name) {
  const folder = packageFolder(name);
  if (folder === undefined) throw new Error(`${name} is not installed: npm ci`);
  return name === 'node-api-headers' ? path.join(folder, 'include') : folder;
}

function answer(what) {
  if (what === 'version') return require('../package.json').version;
  if (what === 'flags') return compileFlags.join('\n');
  if (what?.startsWith('node-')) return headers(what);
  return nativeSources(what)
    .map((file) => path.relative(process.cwd(), path.join(root, file)).split(path.sep).join('/'))
    .join('\n');
}

/** Folders of headers that are not ours. */
const headerFolders = () => ['node-api-headers', 'node-addon-api'].map(headers);

if (require.main === module) process.stdout.write(answer(process.argv[2]));

module.exports = { headerFolders, nativeSources };
