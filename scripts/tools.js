'use strict';

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');

function failure(program, args, status, signal) {
  return new Error(`${path.basename(program)} ${args[0] ?? ''} failed (${signal ?? `exit ${status}`})`);
}

/** Runs a program in the package's root with its output shown; throws an Error naming it when it fails. */
function run(program, args, env = {}) {
  const { status, signal, error } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error) throw new Error(`${program}: ${error.message}`);
  if (status !== 0) throw failure(program, args, status, signal);
}

/** The same, beside others. */
function start(program, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, ...env },
    });
    child.on('error', (error) => reject(new Error(`${program}: ${error.message}`)));
    child.on('close', (status, signal) =>
      status === 0 ? resolve() : reject(failure(program, args, status, signal)),
    );
  });
}

/** The file of the first of these programs that is somewhere on PATH, or undefined. */
function onPath(...programs) {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd'] : [''];
  const names = programs.flatMap((program) => endings.map((ending) => program + ending));
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return names
    .flatMap((name) => folders.map((folder) => path.join(folder, name)))
    .find((file) => fs.existsSync(file));
}

/**
 * Where an npm package is: in build/tools, into which `tenon build` installs what building takes, or wherever
 * npm hoisted it. Undefined if it is not installed.
 */
function packageFolder(name) {
  // Not require.resolve(`${name}/package.json`): the `exports` of a package may leave that out.
  return [
    path.join(root, 'build', 'tools', 'node_modules'),
    ...createRequire(path.join(root, 'package.json')).resolve.paths(name),
  ]
    .map((folder) => path.join(folder, name))
    .find((folder) => fs.existsSync(path.join(folder, 'package.json')));
}

/** The script of an npm package's command: `packageBin('node-gyp')`. */
function packageBin(name, bin = name) {
  const folder = packageFolder(name);
  if (folder === undefined) throw new Error(`${name} is not installed: npm ci`);
  const { bin: bins } = require(path.join(folder, 'package.json'));
  return path.join(folder, typeof bins === 'string' ? bins : bins[bin]);
}

/** Runs `main`; a failure is one plain line and exit code 1. */
async function script(main) {
  try {
    await main();
  } catch (error) {
    console.error(`tenon: ${error.message}`);
    process.exitCode = 1;
  }
}

module.exports = {
  root,
  run,
  start,
  onPath,
  packageFolder,
  packageBin,
  script,
  jobs: os.availableParallelism(),
};
