'use strict';

// The one list of native sources: CMakeLists.txt and binding.gyp both read it from here.
//   node scripts/native-sources.js          everything that goes into the addon
//   node scripts/native-sources.js core     the same without the Node-API doors
//   node scripts/native-sources.js test     native tests, one program each
//   node scripts/native-sources.js node-api-headers | node-addon-api      where that package's headers are

const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const core = ['augment', 'base', 'kernels', 'ops', 'ref', 'runtime'];
const groups = { core, addon: ['addon'], test: ['test'], all: ['addon', ...core] };

function nativeSources(group = 'all') {
  const folders = groups[group];
  if (!folders) throw new Error(`native-sources: unknown group '${group}', expected ${Object.keys(groups)}`);
  return folders
    .flatMap((folder) => {
      const directory = path.join(root, 'native', folder);
      if (!fs.existsSync(directory)) return [];
      return fs.readdirSync(directory).map((file) => `native/${folder}/${file}`);
    })
    .filter((file) => file.endsWith('.cc'))
    .sort();
}

function headers(name) {
  const folder = path.dirname(require.resolve(`${name}/package.json`));
  return name === 'node-api-headers' ? path.join(folder, 'include') : folder;
}

if (require.main === module) {
  const [what] = process.argv.slice(2);
  process.stdout.write(what?.startsWith('node-') ? headers(what) : nativeSources(what).join('\n'));
}

module.exports = { nativeSources };
