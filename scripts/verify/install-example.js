'use strict';

const { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');

const root = join(__dirname, '..', '..');

const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/**
 * Copies examples/`name` to a temporary folder and links what its package.json depends on: this checkout,
 * which must be built, as tenon, and the packages of its devDependencies, whose versions must be those that
 * the example asks for. Returns the folder.
 */
function installExample(name) {
  const from = join(root, 'examples', name);
  const folder = mkdtempSync(join(tmpdir(), `tenon-${name}-`));
  cpSync(from, folder, { recursive: true, filter: (path) => !path.startsWith(join(from, 'node_modules')) });
  for (const [dependency, version] of Object.entries(manifestOf(folder).dependencies ?? {})) {
    const target = dependency === 'tenon' ? root : join(root, 'node_modules', dependency);
    if (!existsSync(target)) throw new Error(`${name} depends on ${dependency}, which is not installed here`);
    const { version: installed } = manifestOf(target);
    if (version !== installed)
      throw new Error(`${name} asks for ${dependency} ${version}; ${installed} is here`);
    const link = join(folder, 'node_modules', dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link, 'dir');
  }
  return folder;
}

module.exports = { installExample };
