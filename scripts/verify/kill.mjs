/**
 * Runs that are killed while they save, and runs that want one directory: a run is killed with SIGKILL before
 * each of its file operations, and at random instants; what it had saved must be there, the run that goes on
 * must end with the same bits and leave nothing of the killed one behind. If two runs use one directory, one
 * is refused and the other ends with the same bits.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { childScript, inTemporary } from './process.mjs';
import { check } from './report.mjs';
import { trainSaving } from './saving.mjs';

const goal = 'nothing lost, the same SHA-256 after going on, one of each pair refused';
const defaults = { instants: 100, pairs: 50, parallel: 3 };

/** Two saves, and many of them. */
const SHORT = { steps: 6, every: 3 };
const LONG = { steps: 40, every: 1 };

/** A child that waits for `go()`; `ended` resolves with its lines and the signal that ended it. */
function start(directory, { steps, every }, env = {}) {
  const preload = env.TENON_KILL_AT === undefined ? [] : ['--require', childScript('kill-at.js')];
  const args = [...preload, childScript('saving.mjs'), directory, String(steps), String(every)];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = [];
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line));
    for (const { key, resolve } of waiting) if (key in lines.at(-1)) resolve();
  });
  child.stdin.on('error', () => undefined); // it may be dead by then
  const ended = new Promise((resolve) =>
    child.on('close', (_code, signal) => {
      waiting.forEach(({ resolve: wake }) => wake());
      resolve({ lines, signal });
    }),
  );
  return {
    child,
    ended,
    seen: (key) => new Promise((resolve) => waiting.push({ key, resolve })),
    go: () => child.stdin.end('go\n'),
  };
}

const find = (lines, key) => lines.findLast((line) => key in line)?.[key];

/** What is wrong with what a killed run left, or undefined. */
async function problemOf(directory, lines, settings, expected) {
  const saved = find(lines, 'saved') ?? 0;
  const resume = existsSync(join(directory, 'latest'));
  if (saved > 0 && !resume) return `the checkpoint of step ${saved} is lost`;
  let from = 0;
  const onEvent = (event) => {
    if (event.type === 'start') from = event.step;
  };
  const digest = await trainSaving({ directory, ...settings, resume, onEvent }).catch((error) =>
    String(error),
  );
  if (from < saved) return `went on from step ${from}, step ${saved} was saved`;
  if (digest !== expected) return `ended with ${digest.slice(0, 60)}`;
  const names = readdirSync(directory);
  const strange = names.filter((name) => !/^(checkpoint-\d+(-\d+)?|latest)$/.test(name));
  const kept = names.filter((name) => name.startsWith('checkpoint-')).length;
  return strange.length > 0 || kept > 2 ? `left ${names.join(', ')}` : undefined;
}

/** Calls `work(i)` for each i below `count`, a few at a time; what it returns besides undefined. */
async function several(count, parallel, work) {
  const found = [];
  let next = 0;
  const one = async () => {
    while (next < count) {
      const i = next++;
      const problem = await work(i);
      if (problem !== undefined) found.push(`${i}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, one));
  return found;
}

async function killAtOperations(root, expected, parallel) {
  const env = (directory, at) => ({ TENON_KILL_AT: String(at), TENON_KILL_DIRECTORY: directory });
  const traced = start(join(root, 'traced'), SHORT, env(join(root, 'traced'), 0));
  traced.go();
  const operations = find((await traced.ended).lines, 'operations');
  const problems = await several(operations.length, parallel, async (i) => {
    const directory = join(root, `operation-${i}`);
    const run = start(directory, SHORT, env(directory, i + 1));
    run.go();
    const { lines, signal } = await run.ended;
    // The order of operations that run at once differs, their number does not.
    if (signal !== 'SIGKILL') return `was not killed: ${JSON.stringify(lines.at(-1)).slice(0, 100)}`;
    return problemOf(directory, lines, SHORT, expected);
  });
  return { count: operations.length, operations, problems };
}

async function killAtInstants(root, expected, count, parallel) {
  const begun = performance.now();
  await trainSaving({ directory: join(root, 'timed'), ...LONG });
  const span = performance.now() - begun;
  let random = 7;
  const problems = await several(count, parallel, async (i) => {
    random = (random * 48271) % 2147483647; // Lehmer 1951
    const delay = (random / 2147483647) * span;
    const directory = join(root, `instant-${i}`);
    const run = start(directory, LONG);
    const first = run.seen('begun');
    run.go();
    await first;
    setTimeout(() => run.child.kill('SIGKILL'), delay);
    const { lines } = await run.ended;
    return problemOf(directory, lines, LONG, expected);
  });
  return { count, span, problems };
}

function pairs(root, expected, count) {
  return several(count, 1, async (i) => {
    const both = [0, 1].map(() => start(join(root, `pair-${i}`), LONG));
    await Promise.all(both.map((run) => run.seen('ready')));
    both.forEach((run) => run.go());
    const ended = await Promise.all(both.map((run) => run.ended));
    const outcomes = ended.map(({ lines }) => find(lines, 'digest') ?? find(lines, 'code')).sort();
    const wanted = [expected, 'ERR_TENON_BUSY'].sort();
    return outcomes.join() === wanted.join() ? undefined : outcomes.join(' and ');
  });
}

await check('kill', goal, defaults, ({ instants, pairs: count, parallel }) =>
  inTemporary(async (root) => {
    const short = await trainSaving({ directory: join(root, 'short'), ...SHORT });
    const long = await trainSaving({ directory: join(root, 'long'), ...LONG });
    const byOperation = await killAtOperations(root, short, parallel);
    const byInstant = await killAtInstants(root, long, instants, parallel);
    const ofPairs = await pairs(root, long, count);
    const problems = [...byOperation.problems, ...byInstant.problems, ...ofPairs];
    const good = (all, bad) => `${all - bad.length} of ${all}`;
    return {
      pass: problems.length === 0,
      figure: [
        `killed at each of ${byOperation.count} file operations of a run with 2 saves: ${good(byOperation.count, byOperation.problems)} whole`,
        `at ${instants} random instants: ${good(instants, byInstant.problems)}`,
        `pairs in one directory, one refused and the other whole: ${good(count, ofPairs)}`,
        ...problems.slice(0, 3),
      ].join('; '),
      details: { byOperation, byInstant, pairs: { count, problems: ofPairs } },
    };
  }),
);
