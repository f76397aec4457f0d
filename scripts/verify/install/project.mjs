/** A user's folder: tenon is installed there, trains and says what it is; what that took. */
import { copyFileSync, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { childScript } from '../process.mjs';
import { proveNoCompiler } from './places.mjs';

/** What npm runs when it installs a package, unless it was told not to. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare'];

const isPackage = (folder) => {
  const parent = dirname(folder);
  const inModules = basename(parent) === 'node_modules';
  const scoped = basename(parent).startsWith('@') && basename(dirname(parent)) === 'node_modules';
  return (inModules || scoped) && existsSync(join(folder, 'package.json'));
};

/** Bytes on disk, hard links counted once, and the folders of packages; links are not followed. */
function walk(folder, found) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const { ino, blocks } = lstatSync(path);
    if (!found.inodes.has(ino)) found.bytes += 512 * blocks;
    found.inodes.add(ino);
    if (!entry.isDirectory()) continue;
    if (isPackage(path)) found.packages.push(path);
    walk(path, found);
  }
  return found;
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/**
 * What lies in a folder of packages: bytes, packages, and those with something to run when
 * they are installed.
 */
export function installed(folder) {
  const { bytes, packages } = walk(folder, { bytes: 0, packages: [], inodes: new Set() });
  const manifests = packages.map((path) => ({
    ...manifestOf(path),
    gyp: existsSync(join(path, 'binding.gyp')),
  }));
  const named = manifests.filter(({ name, version }) => name !== undefined && version !== undefined);
  const runs = named.filter(
    ({ scripts = {}, gyp }) => gyp || INSTALL_SCRIPTS.some((name) => name in scripts),
  );
  return {
    bytes,
    packages: named.map(({ name, version }) => `${name}@${version}`).sort(),
    scripts: runs.map(({ name }) => name),
  };
}

/** Their names in a user's folder. */
const SCRIPTS = {
  'net.mjs': 'net.mjs',
  'esm.mjs': 'esm.mjs',
  'commonjs.js': 'commonjs.cjs',
  'features.mjs': 'features.mjs',
};

/** What runs in a user's folder. */
export function copyScripts(folder) {
  for (const [from, to] of Object.entries(SCRIPTS))
    copyFileSync(childScript(join('installed', from)), join(folder, to));
}

/** Trains by `script` and returns what it printed. @throws if the loss did not fall */
export async function train(at, folder, script, { node = ['node'], env } = {}) {
  const size = at.slow ? ['96', '16'] : ['1024', '64'];
  const { stdout, seconds } = await at.succeed([...node, script, ...size], { cwd: folder, env });
  const result = JSON.parse(stdout.trim().split('\n').at(-1));
  const { losses } = result;
  if (!(losses.at(-1) < 0.9 * losses[0]))
    throw new Error(`${script}: the loss did not fall: ${losses.join(', ')}`);
  return { ...result, seconds };
}

/** Trains in ESM and in CommonJS, which must get the same bits, and runs `tenon doctor`. */
export async function trainBoth(at, folder, { node, doctor, env }) {
  copyScripts(folder);
  const esm = await train(at, folder, 'esm.mjs', { node, env });
  const commonjs = await train(at, folder, 'commonjs.cjs', { node, env });
  if (esm.weights !== commonjs.weights) throw new Error('ESM and CommonJS trained different weights');
  await at.succeed(doctor, { cwd: folder, env });
  return { esm, commonjs };
}

const inModules = (folder) => join(folder, 'node_modules');

/**
 * One platform package was installed, the right one; where packages lie elsewhere than in node_modules,
 * none is seen.
 */
function checkPlatform({ cpu, libc }, packages) {
  const ours = packages.filter((name) => name.startsWith('@tenon/'));
  const wanted = `@tenon/linux-${cpu}-${libc === 'musl' ? 'musl' : 'gnu'}@`;
  if (packages.length > 0 && !(ours.length === 1 && ours[0].startsWith(wanted)))
    throw new Error(`installed ${ours.join(', ') || 'no platform package'} instead of ${wanted}...`);
}

/**
 * Installs tenon in an empty folder by a package manager's command, and trains there.
 * @returns a row of the table: seconds of the install, and until a network has trained; what was installed
 */
export async function installAndTrain(at, commands, runtime = 'node') {
  const { install, node, doctor, env, prepare, where = inModules } = commands;
  await proveNoCompiler(at, runtime);
  at.forget();
  const folder = at.emptyFolder();
  prepare?.(folder);
  const { seconds } = await at.succeed(install, { cwd: folder, env });
  const { esm, commonjs } = await trainBoth(at, folder, { node, doctor, env });
  const found = installed(where(folder, at.home));
  if (found.scripts.length > 0) throw new Error(`packages that run something: ${found.scripts.join(', ')}`);
  checkPlatform(at, found.packages);
  return {
    install: seconds,
    trained: seconds + esm.seconds,
    megabytes: found.bytes / 2 ** 20,
    packages: found.packages,
    losses: esm.losses,
    weights: esm.weights,
    info: esm.info,
    commonjs: commonjs.seconds,
  };
}

/**
 * What a runtime must do besides loading the addon, with sharp installed.
 * @throws naming what it does not do
 */
export async function useFeatures(at, { install, node = ['node'], env }) {
  const folder = at.emptyFolder();
  await at.succeed(install, { cwd: folder, env });
  copyScripts(folder);
  const { stdout } = await at.succeed([...node, 'features.mjs'], { cwd: folder, env });
  const features = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const failing = features.filter(({ error }) => error !== undefined);
  if (failing.length > 0)
    throw new Error(failing.map(({ feature, error }) => `${feature}: ${error}`).join('; '));
  return { how: 'features', note: features.map(({ feature }) => feature).join('; ') };
}
