'use strict';

// The tarballs of a version that lie in a folder. A run may build some of them only; checksums and the bill
// of materials cover all that would be published from there.

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { packageName, platforms } = require('./platforms.js');

/** npm's name of a package's tarball. */
const fileName = (name, version) => `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;

/** What there may be: tenon first, then the platforms in the order of their table. */
const expected = (version) =>
  ['tenon', ...platforms.map(packageName)].map((name) => ({ name, file: fileName(name, version) }));

/** @throws where a tarball is there that is not of this version: it would be published with the others */
function refuseOthers(folder, version) {
  const ours = expected(version).map(({ file }) => file);
  const all = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  const others = all.filter((file) => file.endsWith('.tgz') && !ours.includes(file)).sort();
  if (others.length > 0)
    throw new Error(`${folder} has tarballs that are not of version ${version}; remove ${others.join(', ')}`);
}

/** The tarballs of this version in a folder: `{ name, file, sha256 }` of each. */
function tarballsIn(folder, version) {
  return expected(version)
    .filter(({ file }) => fs.existsSync(path.join(folder, file)))
    .map(({ name, file }) => {
      const content = fs.readFileSync(path.join(folder, file));
      return { name, file, sha256: createHash('sha256').update(content).digest('hex') };
    });
}

/** As `sha256sum --check` reads it. */
const checksums = (tarballs) => tarballs.map(({ file, sha256 }) => `${sha256}  ${file}\n`).join('');

module.exports = { checksums, fileName, refuseOthers, tarballsIn };
