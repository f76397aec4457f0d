/** What compiling the addon takes in an installed package: npm packages, installed into build/tools. */
import { copyFileSync, existsSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { NativeError } from '../errors';
import { runScript } from './build-process';

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
    throw new NativeError(
      'npm was not found: tenon build installs cmake-js and node-gyp with it. Install Node.js with npm, or name its program: npm_execpath=/path/to/npm/bin/npm-cli.js tenon build',
    );
  return found;
}

/** Installs the tools, with their exact versions and without scripts, unless they are there. */
export async function installTools(root: string, signal: AbortSignal): Promise<void> {
  const folder = join(root, 'build', 'tools');
  if (existsSync(folder)) return;
  // In a folder of its own, which gets its name when all is there: npm may be interrupted.
  const part = `${folder}.${process.pid}`;
  try {
    mkdirSync(part, { recursive: true });
    copyFileSync(join(root, 'native', 'tools', 'package.json'), join(part, 'package.json'));
    const status = await runNpm(part, signal);
    if (signal.aborted) return;
    if (status !== 0) throw notInstalled(folder, status);
    renameSync(part, folder);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

function runNpm(cwd: string, signal: AbortSignal): Promise<number | null> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !PROJECT_SETTINGS.test(name)),
  );
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  // What npm has in its cache need not be asked for again, which may be all there is.
  const args = [npmProgram(), 'install', '--prefer-offline', ...flags];
  return runScript({ args, cwd, env, signal });
}

function notInstalled(folder: string, status: number | null): NativeError {
  return new NativeError(
    [
      `npm could not install the tools that compile the addon (exit ${String(status)}); what it printed on standard error says why.`,
      'They come from the registry of npm, which needs the network or a cache:',
      '  npm ping    tells whether the registry answers',
      '  npm config get registry proxy https-proxy    tells what npm asks',
      'Where there is no network, run tenon build on another machine, and copy this folder from there:',
      `  ${folder}`,
    ].join('\n'),
  );
}
