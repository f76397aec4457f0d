'use strict';

// Builds what is published, as tarballs in build/packages: tenon, and an addon for each platform.
// Beside them: SHA256SUMS, and what is inside (tenon.cdx.json, a CycloneDX bill of materials). Both cover the
// tarballs of earlier runs too; those of another version are refused.
//   npm run package                           the platforms that tenon lists
//   npm run package -- --all                  the untested ones too
//   npm run package -- --only NAME,...        some; `--only tenon` builds no addon

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { root, run, script } = require('../tools.js');
const { buildAddon } = require('./addon.js');
const { billOfMaterials } = require('./bill-of-materials.js');
const { faultsOf, summary } = require('./gates.js');
const { packageName, platforms, platformsNamed } = require('./platforms.js');
const { manifest, stagePlatform, stageTenon } = require('./stage.js');
const { tarball } = require('./tarball.js');
const { checksums, fileName, refuseOthers, tarballsIn } = require('./tarballs.js');
const { findZig, libraryFolder, muslNames } = require('./zig.js');

const out = path.join(root, 'build', 'packages');
const stage = path.join(out, 'stage');

function chosen({ all, only }) {
  if (only === undefined) return platforms.filter(({ listed }) => all || listed);
  return platformsNamed(only.split(',').filter((name) => name !== 'tenon'));
}

function writeOut(name, content) {
  const file = path.join(out, name);
  fs.writeFileSync(`${file}.part`, content);
  fs.renameSync(`${file}.part`, file);
  console.log(`tenon: ${path.relative(root, file)}, ${content.length} bytes`);
}

/** Packs a staged folder. @returns the name of the tarball */
async function pack(name, staged) {
  const file = fileName(name, manifest.version);
  writeOut(file, await tarball(path.join(stage, staged)));
  return file;
}

/** Builds an addon and holds it against what every one of them must keep to. */
async function checkedAddon(zig, platform) {
  const addon = path.join(out, 'addons', platform.name, 'tenon.node');
  await buildAddon(zig, platform, manifest.version, addon);
  const bytes = fs.readFileSync(addon);
  const faults = faultsOf(bytes, platform, platform.libc === 'musl' ? muslNames(zig) : undefined);
  if (faults.length > 0) throw new Error([`${platform.name}:`, ...faults].join('\n  '));
  console.log(`tenon: ${platform.name}: ${summary(bytes, platform)}`);
  return addon;
}

async function buildAll(wanted) {
  run(process.execPath, [path.join(root, 'scripts', 'build-ts.js')]);
  stageTenon(path.join(stage, 'tenon'));
  const packed = [await pack('tenon', 'tenon')];
  const zig = wanted.length > 0 ? findZig() : undefined;
  for (const platform of wanted) {
    const addon = await checkedAddon(zig, platform);
    stagePlatform(platform, addon, libraryFolder(zig), path.join(stage, platform.name));
    packed.push(await pack(packageName(platform), platform.name));
  }
  return packed;
}

script(async () => {
  const { values } = parseArgs({ options: { all: { type: 'boolean' }, only: { type: 'string' } } });
  const wanted = chosen(values);
  refuseOthers(out, manifest.version);
  const packed = await buildAll(wanted);
  const tarballs = tarballsIn(out, manifest.version);
  const earlier = tarballs.filter(({ file }) => !packed.includes(file));
  if (earlier.length > 0)
    console.log(`tenon: of earlier runs, also covered: ${earlier.map(({ file }) => file).join(', ')}`);
  writeOut('SHA256SUMS', checksums(tarballs));
  writeOut('tenon.cdx.json', billOfMaterials(tarballs));
});
