'use strict';

// A CycloneDX 1.6 bill of materials (https://cyclonedx.org/docs/1.6/json/): what is published, what is
// compiled into it, and what npm installs with it. It has neither a time nor a serial number: the same
// tarballs, the same bytes.

const { inside } = require('./inside.js');
const { ZIG_VERSION } = require('./zig.js');

const manifest = require('../../package.json');
const lockfile = require('../../package-lock.json');

const npmPurl = (name, version) => `pkg:npm/${name.replace('@', '%40')}@${version}`;

/** A licence is an identifier of SPDX, or an expression of several. */
const licences = (license) =>
  license === undefined ? [] : [/\s/.test(license) ? { expression: license } : { license: { id: license } }];

const component = (type, { name, version, license, purl }, more = {}) => ({
  type,
  'bom-ref': purl ?? `${name}@${version}`,
  name,
  version,
  licenses: licences(license),
  ...(purl && { purl }),
  ...more,
});

/** A package that we publish, by the SHA-256 of its tarball. */
const published = ({ name, sha256 }) =>
  component(
    'library',
    { name, version: manifest.version, license: manifest.license, purl: npmPurl(name, manifest.version) },
    { hashes: [{ alg: 'SHA-256', content: sha256 }] },
  );

/** What the lockfile says of a package; the integrity of npm is base64, that of CycloneDX is hexadecimal. */
function locked(name) {
  const entry = lockfile.packages[`node_modules/${name}`];
  if (!entry) throw new Error(`package-lock.json lacks ${name}`);
  const { version, license, integrity } = entry;
  const [algorithm, digest] = integrity.split(/-(.*)/s);
  const content = Buffer.from(digest, 'base64').toString('hex');
  const hashes = [{ alg: algorithm.replace('sha', 'SHA-'), content }];
  return component('library', { name, version, license, purl: npmPurl(name, version) }, { hashes });
}

/** Names of the packages that npm installs with tenon: its dependencies, theirs, and so on. */
function installed(names, found = new Set()) {
  for (const name of names.filter((one) => !found.has(one))) {
    found.add(name);
    installed(Object.keys(lockfile.packages[`node_modules/${name}`]?.dependencies ?? {}), found);
  }
  return [...found].sort();
}

/** @param tarballs `{ name, sha256 }` of each, tenon first */
function billOfMaterials(tarballs) {
  const [tenon, ...addons] = tarballs.map(published);
  const dependencies = installed(Object.keys(manifest.dependencies)).map(locked);
  const compiled = addons.length > 0 ? inside.map((part) => component('library', part)) : [];
  const refs = (components) => components.map((one) => one['bom-ref']);
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      tools: {
        components: [component('application', { name: 'zig', version: ZIG_VERSION, license: 'MIT' })],
      },
      component: tenon,
    },
    components: [...addons, ...dependencies, ...compiled],
    dependencies: [
      { ref: tenon['bom-ref'], dependsOn: [...refs(addons), ...refs(direct(dependencies))] },
      ...addons.map((addon) => ({ ref: addon['bom-ref'], dependsOn: refs(compiled) })),
      ...dependencies.map((one) => ({
        ref: one['bom-ref'],
        dependsOn: refs(dependencies.filter(({ name }) => dependsOn(one.name, name))),
      })),
    ],
  };
  return Buffer.from(`${JSON.stringify(bill, null, 2)}\n`);
}

const direct = (dependencies) => dependencies.filter(({ name }) => name in manifest.dependencies);

const dependsOn = (name, other) => other in (lockfile.packages[`node_modules/${name}`].dependencies ?? {});

module.exports = { billOfMaterials };
