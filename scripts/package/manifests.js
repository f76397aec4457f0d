'use strict';

// The package.json files that are published. No package has a script: npm 12, pnpm and Bun would not run it.

const { packageName, platforms } = require('./platforms.js');

/**
 * The manifest of tenon is the repository's, without what only a checkout needs, plus the platform packages.
 */
function tenonManifest(manifest) {
  const ours = ['private', 'scripts', 'devDependencies'];
  const published = Object.entries(manifest).filter(([key]) => !ours.includes(key));
  const listed = platforms.filter(({ listed }) => listed);
  return {
    ...Object.fromEntries(published),
    optionalDependencies: Object.fromEntries(
      listed.map((platform) => [packageName(platform), manifest.version]),
    ),
  };
}

/** The manifest of a platform package: an addon, and where it runs. */
function platformManifest(platform, { version, license, author, engines }) {
  const { name, os, cpu, libc } = platform;
  return {
    name: packageName(platform),
    version,
    description: `The native code of tenon, built for ${name}. Install tenon, which chooses it.`,
    license,
    author,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    preferUnplugged: true,
    engines,
    main: 'tenon.node',
    exports: { '.': './tenon.node', './package.json': './package.json' },
  };
}

module.exports = { platformManifest, tenonManifest };
