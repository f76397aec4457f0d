/**
 * How a step grows: with threads, with the batch, with the image; and what it holds in
 * memory, beside PyTorch.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { events, succeed, tenon } from './process.mjs';
import { check, median, megabytes, root } from './report.mjs';

const goal =
  '2 threads at least 1.85 times 1; more than cores at most 1.3 times the time of as many as cores; time per example ' +
  'and per pixel within a factor of 1.5; no more memory than PyTorch';
const defaults = { steps: 5, batch: 512, side: 224 };
const leastSpeedup = 1.85;
/** A multiple of the time that as many threads as cores take. */
const mostCrowded = 1.3;
const rounds = 5;
/** Between neighbours of a series, of time per example or pixel: more is a cliff. */
const mostGrowth = 1.5;

const doubling = (from, to) => {
  const sizes = [];
  for (let size = from; size < to; size *= 2) sizes.push(size);
  return [...sizes, to];
};

const figures = async (model, ...flags) =>
  events(await succeed(tenon('bench', '--model', model, '--json', ...flags))).at(-1);

/**
 * The curve over threads, from one to the cores of this machine, and beyond: rounds of all counts in turn, so
 * that a busy moment of the machine meets all; medians of their ratios. `speedups` are those of each count
 * against one thread, `crowded` the times of more threads than cores against as many as cores.
 */
async function threads(model, steps) {
  const cores = availableParallelism();
  const counts = doubling(1, cores);
  const beyond = [8, 16, 64].filter((n) => n > cores);
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const inTurn = {};
    for (const n of [...counts, ...beyond])
      inTurn[n] = (await figures(model, '--steps', steps, '--threads', n)).medianMs;
    times.push(inTurn);
  }
  const ratio = (above, below) => median(times.map((round) => round[above] / round[below]));
  const speedups = counts.slice(1).map((n) => ({ threads: n, speedup: ratio(1, n) }));
  const crowded = beyond.map((n) => ({ threads: n, slowdown: ratio(n, cores) }));
  return { model, speedups, crowded, times };
}

/** Times at each size, as time per unit of work; `cliffs` are sizes much dearer than the one before. */
async function series(model, sizes, flagsOf, unitsOf, steps) {
  const points = [];
  for (const size of sizes) {
    const { medianMs, memory } = await figures(model, '--steps', steps, ...flagsOf(size));
    points.push({ size, medianMs, perUnit: medianMs / unitsOf(size), memory });
  }
  const cliffs = points.filter((p, i) => i > 0 && p.perUnit > mostGrowth * points[i - 1].perUnit);
  return { model, points, cliffs: cliffs.map(({ size }) => size) };
}

/**
 * Peak resident memory in bytes of a fresh process that takes three steps of `item`; null where it
 * cannot be had.
 */
function peakResident({ launch, missing }, item) {
  if (missing !== undefined) return Promise.resolve(null);
  const child = spawn('/usr/bin/time', ['-f', 'peak %M', launch.command, ...launch.args], {
    env: { ...process.env, ...launch.env },
  });
  let report = '';
  let measured = false;
  child.stderr.on('data', (chunk) => (report += chunk));
  // A child ends when its input does, so that stays open until the steps were taken.
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (JSON.parse(line).event !== 'times') return;
    measured = true;
    child.stdin.end();
  });
  for (const command of ['prepare', 'run'])
    child.stdin.write(`${JSON.stringify({ command, item, threads: 2, steps: 3 })}\n`);
  return new Promise((done) => {
    child.on('error', () => done(null));
    child.on('close', () => {
      const kilobytes = /^peak (\d+)$/m.exec(report)?.[1];
      done(measured && kilobytes !== undefined ? 1024 * Number(kilobytes) : null);
    });
  });
}

async function residents(name) {
  const require = createRequire(import.meta.url);
  const { items } = require(join(root, 'bench', 'lib', 'workloads.js'));
  const { resolveSystems } = require(join(root, 'bench', 'lib', 'systems.js'));
  const item = items.find((each) => each.name === name);
  const [ours, theirs] = resolveSystems(['tenon', 'pytorch-stock'], {});
  return { name, tenon: await peakResident(ours, item), pytorch: await peakResident(theirs, item) };
}

function describe({ model, points, cliffs }) {
  const ratio = points.at(-1).perUnit / points[0].perUnit;
  const found = cliffs.length === 0 ? 'no cliff' : `CLIFF at ${cliffs.join(', ')}`;
  return `${model} ${points[0].size} to ${points.at(-1).size}: ${ratio.toFixed(2)} a unit, ${found}`;
}

function describeThreads({ model, speedups, crowded }) {
  const gains = speedups.map(({ threads: n, speedup }) => `${n} threads ${speedup.toFixed(2)}x`);
  const costs = crowded.map(({ threads: n, slowdown }) => `${n} in ${slowdown.toFixed(2)} of the time`);
  return `${model} ${[...gains, ...costs].join(', ')}`;
}

const show = (bytes) => (bytes === null ? 'unknown' : megabytes(bytes, 0));

await check('scaling', goal, defaults, async ({ steps, batch, side }) => {
  const curves = [];
  for (const model of ['vggs', 'resnet18', 'lenet']) curves.push(await threads(model, steps));
  const byBatch = await series(
    'vggs',
    doubling(16, batch),
    (n) => ['--batch', n],
    (n) => n,
    steps,
  );
  const byArea = await series(
    'resnet18',
    doubling(32, side),
    (n) => ['--batch', 16, '--input', `3x${n}x${n}`],
    (n) => n * n,
    steps,
  );
  const memory = [await residents('vggs'), await residents('resnet18')];
  // Not of lenet, whose steps are too short for two threads to halve them.
  const fast = curves
    .slice(0, 2)
    .every(({ speedups }) => speedups.every((s) => s.threads !== 2 || s.speedup >= leastSpeedup));
  const calm = curves.every(({ crowded }) => crowded.every(({ slowdown }) => slowdown <= mostCrowded));
  const even = [byBatch, byArea].every(({ cliffs }) => cliffs.length === 0);
  const small = memory.every((m) => m.tenon !== null && (m.pytorch === null || m.tenon <= m.pytorch));
  const held = memory.map((m) => `${m.name} ${show(m.tenon)} (PyTorch ${show(m.pytorch)})`).join(', ');
  return {
    pass: fast && calm && even && small,
    figure:
      `${curves.map(describeThreads).join('; ')}; batch: ${describe(byBatch)}; ` +
      `side: ${describe(byArea)}; peak resident: ${held}`,
    details: { curves, byBatch, byArea, memory },
  };
});
