/**
 * Programs of this machine: whether they are there, what they printed, and an error that says why one failed.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Skipped } from '../report.mjs';

export const { onPath } = createRequire(import.meta.url)('../../tools.js');

const KEPT = 200_000;
const SHOWN = 12;

const running = new Set();
process.on('exit', () => {
  for (const pid of running) process.kill(-pid, 'SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Starts a program in a process group of its own, which ends when this process does. */
export function start([program, ...args], { cwd, env = process.env }) {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  if (child.pid !== undefined) {
    running.add(child.pid);
    child.on('close', () => running.delete(child.pid));
  }
  return child;
}

/** Ends a program of {@link start} and what it started. */
export const end = (child) => process.kill(-child.pid, 'SIGKILL');

/** @throws Skipped where a program is missing */
export function need(...programs) {
  const missing = programs.filter((program) => onPath(program) === undefined);
  if (missing.length > 0) throw new Skipped(`${missing.join(' and ')} not found`);
}

/** The folder, which `make(part)` fills if it is not there yet; half a folder is never kept. */
export async function filledOnce(folder, make) {
  if (existsSync(folder)) return folder;
  const part = `${folder}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  await make(part);
  renameSync(part, folder);
  return folder;
}

/**
 * Runs `[program, ...args]` to its end; after `seconds` it is ended, with what it started.
 * @returns exit code (null after a signal), stdout, stderr and seconds
 */
export function run(command, { cwd, env, seconds = 600 } = {}) {
  const begun = performance.now();
  const child = start(command, { cwd, env });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'])
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] = (output[stream] + text).slice(-KEPT);
    });
  const timer = setTimeout(() => end(child), 1000 * seconds);
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => done({ code, ...output, seconds: (performance.now() - begun) / 1000 }));
  }).finally(() => clearTimeout(timer));
}

/** As run, but a program that fails is an error with the last lines that it printed, without stacks. */
export async function succeed(command, options) {
  const result = await run(command, options);
  if (result.code === 0) return result;
  const lines = `${result.stdout}\n${result.stderr}`
    .split('\n')
    .filter((line) => !/^\s*(at .*)?$/.test(line));
  const why = result.code === null ? 'ended by a signal' : `exit ${result.code}`;
  throw new Error(`${command.slice(0, 4).join(' ')}: ${why}: ${lines.slice(-SHOWN).join(' | ')}`);
}
