/** What every check shares: its options, its one line, its exit code, its record for run.mjs. */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Thrown by a check that cannot run here. */
export class Skipped extends Error {}

/** The commit that is checked; `+` where files differ from it. The results themselves do not count. */
export function commit() {
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!docs/results');
  return `${git('rev-parse', '--short', 'HEAD') || 'unknown'}${changed === '' ? '' : '+'}`;
}

export function machine() {
  return { cpu: cpus()[0]?.model ?? 'unknown', cpus: availableParallelism(), node: process.version };
}

/**
 * Runs one check: `work(settings)` resolves with `{ pass, figure, details }` or throws. Settings are the
 * numbers and texts in `defaults`, each an option `--name VALUE`; smaller numbers are for debugging, and the
 * record says what was used. Prints one line and sets the exit code.
 */
export async function check(name, goal, defaults, work) {
  const { settings, record } = parse(defaults);
  const begun = new Date();
  const load = loadavg()[0];
  const outcome = await attempt(work, settings);
  const changed = Object.keys(settings).filter((key) => settings[key] !== defaults[key]);
  const note = changed.map((key) => ` --${key} ${settings[key]}`).join('');
  console.log(`${outcome.status} ${name}: ${outcome.figure} (${goal})${note && ` with${note}`}`);
  const seconds = (Date.now() - begun.getTime()) / 1000;
  const entry = { name, goal, ...outcome, settings, reduced: changed.length > 0 };
  if (record !== undefined) {
    const when = { begun: begun.toISOString(), seconds, load, commit: commit() };
    writeFileSync(record, JSON.stringify({ ...entry, ...when }));
  }
  // Not process.exitCode: a check that failed may have left timers and children behind.
  process.exit(outcome.status === 'FAIL' ? 1 : 0);
}

function parse(defaults) {
  const options = { record: { type: 'string' } };
  for (const key of Object.keys(defaults)) options[key] = { type: 'string' };
  const { values } = parseArgs({ options });
  const settings = { ...defaults };
  for (const key of Object.keys(defaults)) {
    if (values[key] === undefined) continue;
    settings[key] = typeof defaults[key] === 'string' ? values[key] : Number(values[key]);
    if (typeof settings[key] === 'string') continue;
    if (!Number.isInteger(settings[key]) || settings[key] < 0)
      throw new Error(`--${key} must be a whole number, got ${values[key]}`);
  }
  return { settings, record: values.record };
}

async function attempt(work, settings) {
  try {
    const { pass, figure, details = {} } = await work(settings);
    return { status: pass ? 'PASS' : 'FAIL', figure, details };
  } catch (error) {
    if (error instanceof Skipped) return { status: 'SKIPPED', figure: error.message, details: {} };
    const [line] = String(error?.message ?? error).split('\n');
    return { status: 'FAIL', figure: `it did not finish: ${line}`, details: { error: String(error?.stack) } };
  }
}

export const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)}%`;
export const megabytes = (bytes, digits = 1) => `${(bytes / 2 ** 20).toFixed(digits)} MB`;

export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
