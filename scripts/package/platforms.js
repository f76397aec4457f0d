'use strict';

// The platforms that have a prebuilt addon. npm chooses by `os`, `cpu` and `libc`, and the loader
// (lib/native) knows the names by rule. `target` is what zig compiles for, with the oldest C library or
// macOS. Packages that are `listed` are optional dependencies of tenon. The others are built where they
// compile (`--all`), but nobody has run them on such a machine.

const platforms = [
  { name: 'linux-x64-gnu', os: 'linux', cpu: 'x64', libc: 'glibc', target: 'x86_64-linux-gnu.2.28' },
  { name: 'linux-arm64-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc', target: 'aarch64-linux-gnu.2.28' },
  { name: 'linux-x64-musl', os: 'linux', cpu: 'x64', libc: 'musl', target: 'x86_64-linux-musl' },
  { name: 'linux-arm64-musl', os: 'linux', cpu: 'arm64', libc: 'musl', target: 'aarch64-linux-musl' },
  { name: 'darwin-arm64', os: 'darwin', cpu: 'arm64', target: 'aarch64-macos.11.0', listed: false },
  { name: 'darwin-x64', os: 'darwin', cpu: 'x64', target: 'x86_64-macos.10.15', listed: false },
  { name: 'win32-x64', os: 'win32', cpu: 'x64', target: 'x86_64-windows-gnu', listed: false },
].map((platform) => ({ listed: true, ...platform }));

const packageName = ({ name }) => `@tenon/${name}`;

/** The platforms with these names, in the order of the table; an Error names those that are not in it. */
function platformsNamed(names) {
  const unknown = names.filter((name) => !platforms.some((platform) => platform.name === name));
  if (unknown.length > 0)
    throw new Error(
      `no platform ${unknown.join(', ')}; there are ${platforms.map(({ name }) => name).join(', ')}`,
    );
  return platforms.filter(({ name }) => names.includes(name));
}

module.exports = { platforms, packageName, platformsNamed };
