/** Child processes of the checks, the command line among them, and the places of data and temporary files. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { root, Skipped } from './report.mjs';

const commandLine = join(root, 'dist', 'cli', 'main.js');
const keptStderr = 4000;

/** Runs a node script to its end, as `run` does. */
export function runNode(args, options) {
  return run(process.execPath, args, options);
}

/**
 * Runs a program to its end. `onLine(line, child)` sees what it prints as it comes.
 * @returns exit code, signal, lines, the end of stderr, seconds from start to end, and when it ended
 */
export function run(program, args, { env = {}, onLine } = {}) {
  const begun = performance.now();
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = [];
  let stderr = '';
  let endedAt = 0;
  child.stderr.on('data', (chunk) => (stderr = (stderr + chunk).slice(-keptStderr)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    onLine?.(line, child);
  });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('exit', () => (endedAt = Date.now()));
    child.on('close', (code, signal) =>
      done({ code, signal, lines, stderr, endedAt, seconds: (performance.now() - begun) / 1000 }),
    );
  });
}

/** As runNode, but a child that fails is an error. */
export async function succeed(args, options) {
  const result = await runNode(args, options);
  if (result.code === 0) return result;
  const end = result.stderr.trim().split('\n').at(-1) || result.lines.at(-1);
  throw new Error(`${args.at(0)}: ${result.signal ?? `exit ${result.code}`}: ${end}`);
}

/** The arguments of node that make it `tenon ...`. */
export const tenon = (...args) => [commandLine, ...args.map(String)];

/** The events of a command that was run with --json. */
export const events = ({ lines }) => lines.map((line) => JSON.parse(line));

/** The JSON object that is the last line a child printed. */
export const lastLine = ({ lines }) => JSON.parse(lines.at(-1));

/** A script of ./children. */
export const childScript = (name) => join(root, 'scripts', 'verify', 'children', name);

/** The folder of a real data set, or undefined where it is not. */
export function findData(name) {
  const folder = resolve(root, process.env.TENON_DATA ?? '../shared/data', name);
  return existsSync(folder) ? folder : undefined;
}

/** The folder of a real data set. @throws Skipped where it is not */
export function requireData(name) {
  const folder = findData(name);
  if (folder === undefined) throw new Skipped('no data');
  return folder;
}

/** Calls `work` with a directory that is deleted afterwards. */
export async function inTemporary(work) {
  const directory = mkdtempSync(join(tmpdir(), 'tenon-verify-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * What `work()` found, or what it found before the check was interrupted: results of long checks are kept in
 * JSON files until the check has all of them.
 */
export async function remembered(file, work) {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  const result = await work();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(result));
  return result;
}
