'use strict';

// Zig's C++ compiler: clang, with the headers and libraries of every platform that we build for. One version
// of it, because the tarballs' bytes depend on it. PyPI has it as `ziglang`.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { root, run } = require('../tools.js');

const ZIG_VERSION = '0.17.1';

/** What a command says of its version, or undefined where it does not run. */
function versionOf([program, ...args]) {
  const { status, stdout } = spawnSync(program, [...args, 'version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** A virtual environment of Python's with the pinned ziglang; made once. */
function installed(folder) {
  const python = path.join(folder, 'bin', 'python');
  if (versionOf([python, '-m', 'ziglang']) !== ZIG_VERSION) {
    fs.rmSync(folder, { recursive: true, force: true });
    run('python3', ['-m', 'venv', folder]);
    run(python, [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      `ziglang==${ZIG_VERSION}`,
    ]);
  }
  return [python, '-m', 'ziglang'];
}

/**
 * The command that runs zig, as a list: the program that the environment names in ZIG, else Python's ziglang
 * package, else one that is installed under build/.
 */
function findZig() {
  if (process.env.ZIG) {
    const version = versionOf([process.env.ZIG]);
    if (version === ZIG_VERSION) return [process.env.ZIG];
    throw new Error(
      `ZIG=${process.env.ZIG} is ${version ?? 'not a program that runs'}, needed: ${ZIG_VERSION}`,
    );
  }
  const module = ['python3', '-m', 'ziglang'];
  return versionOf(module) === ZIG_VERSION ? module : installed(path.join(root, 'build', 'zig'));
}

/** The folder of the libraries that zig compiles: libc++, musl and their licences. */
function libraryFolder([program, ...args]) {
  const { stdout } = spawnSync(program, [...args, 'env'], { encoding: 'utf8' });
  const folder = /\blib_dir"?\s*[=:]\s*"([^"]+)"/.exec(stdout ?? '')?.[1];
  if (folder === undefined) throw new Error('zig env does not name its lib_dir');
  return folder;
}

/** The names that musl's C library defines, from the list that zig links against. */
function muslNames(zig) {
  const list = fs.readFileSync(path.join(libraryFolder(zig), 'libc', 'musl', 'libc.S'), 'utf8');
  return new Set([...list.matchAll(/^([A-Za-z_]\w*):$/gm)].map(([, name]) => name));
}

module.exports = { ZIG_VERSION, findZig, libraryFolder, muslNames };
