/** What compiling the addon takes in an installed package: npm packages, installed into build/tools. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { NativeError } from '../errors';

/** Settings of npm that are about the project that asks, and would send the tools elsewhere. */
const PROJECT_SETTINGS =
  /^npm_config_(?:dry_run|global|include|local_prefix|location|omit|package_lock_only|prefix|workspaces?)$/i;

/** npm's program: the one that started us, that of this Node, or the first in PATH. */
function npmProgram(): string {
  const beside = dirname(process.execPath);
  const inPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'npm'));
  const found = [
    process.env.npm_execpath ?? '',
    join(beside, '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(beside, 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    ...inPath,
  ]
    .filter((file) => file !== '' && existsSync(file))
    .map((file) => realpathSync(file))
    .find((file) => file.endsWith('npm-cli.js'));
  if (found === undefined)
    throw new NativeError('npm was not found: tenon build installs cmake-js and node-gyp with it');
  return found;
}

/** Installs the tools, with their exact versions and without scripts, unless they are there. */
export function installTools(root: string): void {
  const folder = join(root, 'build', 'tools');
  if (existsSync(join(folder, 'node_modules', 'node-gyp', 'package.json'))) return;
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, 'native', 'tools', 'package.json'), join(folder, 'package.json'));
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !PROJECT_SETTINGS.test(name)),
  );
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  const { status } = spawnSync(process.execPath, [npmProgram(), 'install', ...flags], {
    cwd: folder,
    env,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0)
    throw new NativeError(
      `npm could not install the tools into ${folder} (exit ${String(status)}): they come from npm's registry, which needs the network or a cache`,
    );
}
