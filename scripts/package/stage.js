'use strict';

// The folders that become tarballs: build/packages/stage/NAME holds what the package of that name holds.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { packageFolder, root } = require('../tools.js');
const { inside } = require('./inside.js');
const { platformManifest, tenonManifest } = require('./manifests.js');
const { packageName } = require('./platforms.js');

const manifest = require('../../package.json');

/** An empty folder. */
function emptied(folder) {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  return folder;
}

const writeJson = (file, value) => fs.writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);

/** What npm would publish of this checkout: `files` of package.json as npm reads it. */
function publishedFiles() {
  const { status, stdout, stderr, error } = spawnSync(
    'npm',
    ['pack', '--dry-run', '--json', '--ignore-scripts', '--silent'],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26, shell: process.platform === 'win32' },
  );
  if (status !== 0) throw new Error(`npm pack failed: ${error?.message ?? stderr.trim()}`);
  // A list of packages; of npm 12, an object by name.
  const [{ files }] = Object.values(JSON.parse(stdout));
  return files.map((file) => file.path);
}

/** tenon itself; dist/ must be built. */
function stageTenon(folder) {
  emptied(folder);
  for (const file of publishedFiles()) {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    fs.copyFileSync(path.join(root, file), path.join(folder, file));
  }
  writeJson(path.join(folder, 'package.json'), tenonManifest(manifest));
}

/** A platform package with the addon that was built for it, and the licences of what zig put into that. */
function stagePlatform(platform, addon, libraries, folder) {
  emptied(folder);
  fs.copyFileSync(addon, path.join(folder, 'tenon.node'));
  fs.copyFileSync(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
  fs.writeFileSync(path.join(folder, 'THIRD-PARTY-LICENSES'), notices(libraries));
  fs.writeFileSync(path.join(folder, 'README.md'), readme(platform));
  writeJson(path.join(folder, 'package.json'), platformManifest(platform, manifest));
}

/** The licences of what is compiled into an addon. */
function notices(libraries) {
  return inside
    .map(({ name, purl, notice }) => {
      const file = path.join(purl ? packageFolder(name) : libraries, notice);
      return `${name}\n${'='.repeat(name.length)}\n\n${fs.readFileSync(file, 'utf8').trim()}\n`;
    })
    .join('\n\n');
}

const LISTED = `Install \`tenon\`:
it depends on the packages of all platforms, and npm installs the one that fits the machine.`;

const UNTESTED = `It
has not been tested on such a machine, so that \`tenon\` does not depend on it. To try it, install it beside
\`tenon\`, in the same version.`;

const readme = (platform) => `# ${packageName(platform)}

The native code of [tenon](https://www.npmjs.com/package/tenon), built for ${platform.name}. ${
  platform.listed ? LISTED : UNTESTED
}
`;

module.exports = { manifest, stagePlatform, stageTenon };
