'use strict';

// Builds what is published, as tarballs in build/packages: tenon, and an addon for each platform.
//   npm run package                           the platforms that tenon lists
//   npm run package -- --all                  the untested ones too
//   npm run package -- --only NAME,...        some; `--only tenon` builds no addon

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { root, run, script } = require('../tools.js');
const { buildAddon } = require('./addon.js');
const { packageName, platforms, platformsNamed } = require('./platforms.js');
const { manifest, stagePlatform, stageTenon } = require('./stage.js');
const { tarball } = require('./tarball.js');
const { findZig } = require('./zig.js');

const out = path.join(root, 'build', 'packages');
const stage = path.join(out, 'stage');

function chosen({ all, only }) {
  if (only === undefined) return platforms.filter(({ listed }) => all || listed);
  return platformsNamed(only.split(',').filter((name) => name !== 'tenon'));
}

/** npm's name of a package's tarball. */
const fileName = (name) => `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`;

async function pack(name, folder) {
  const file = path.join(out, fileName(name));
  fs.writeFileSync(`${file}.part`, await tarball(folder));
  fs.renameSync(`${file}.part`, file);
  console.log(`tenon: ${path.relative(root, file)}, ${(fs.statSync(file).size / 1e6).toFixed(1)} MB`);
}

script(async () => {
  const { values } = parseArgs({ options: { all: { type: 'boolean' }, only: { type: 'string' } } });
  const wanted = chosen(values);
  run(process.execPath, [path.join(root, 'scripts', 'build-ts.js')]);
  stageTenon(path.join(stage, 'tenon'));
  await pack('tenon', path.join(stage, 'tenon'));
  const zig = wanted.length > 0 ? findZig() : undefined;
  for (const platform of wanted) {
    const addon = path.join(out, 'addons', platform.name, 'tenon.node');
    buildAddon(zig, platform, manifest.version, addon);
    stagePlatform(platform, addon, path.join(stage, platform.name));
    await pack(packageName(platform), path.join(stage, platform.name));
  }
});
