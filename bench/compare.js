'use strict';

/** Compares builds of tenon by ratio, measured side by side: `node bench/compare.js --help`. */
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { speedup } = require('./lib/comparison');
const { measureItem } = require('./lib/measure');
const { tenon } = require('./lib/systems');
const { items } = require('./lib/workloads');

const root = path.join(__dirname, '..');
const help = `node bench/compare.js [options] REF [REF2]

Builds the commits REF and REF2 (default: HEAD) in temporary folders and prints how many times as fast REF2 is, with the least
and the most of the rounds. A REF that is a folder is measured as it is: a built checkout (.), or an installed package, which
loads the published addon (node_modules/tenon). Exits with 1 when an item is slower by more than the threshold, or was not measured on both sides.

  --only ITEM,...    items, the start of their names, or train, infer, kernel (default: train)
  --threshold SHARE  how much slower is too slow (default 0.05)
  --threads N        (default: cores, at most 2)   --rounds N  (default 5)
  --seconds S        a side and round (default 1)  --budget S  an item and side (default 60)`;

const names = ['only', 'threshold', 'threads', 'rounds', 'seconds', 'budget'];
const optionTypes = {
  ...Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  help: { type: 'boolean' },
};

class UsageError extends Error {}

function readOptions(argv) {
  const { values, positionals } = parseArgs({ args: argv, options: optionTypes, allowPositionals: true });
  if (values.help) return { help: true };
  if (positionals.length < 1 || positionals.length > 2)
    throw new UsageError('give one or two commits or folders');
  const number = (name, fallback) => {
    const value = Number(values[name] ?? fallback);
    if (!(value > 0 && Number.isFinite(value))) throw new UsageError(`--${name} must be a positive number`);
    return value;
  };
  const wanted = (values.only ?? 'train').split(',');
  const matches = ({ name, kind }, text) => name === text || kind === text || name.startsWith(`${text}-`);
  const unknown = wanted.find((text) => !items.some((item) => matches(item, text)));
  if (unknown !== undefined) throw new UsageError(`--only: no item '${unknown}'`);
  return {
    refs: [positionals[0], positionals[1] ?? 'HEAD'],
    items: items.filter((item) => wanted.some((text) => matches(item, text))),
    threshold: number('threshold', 0.05),
    threads: number('threads', Math.min(2, os.availableParallelism())),
    rounds: number('rounds', 5),
    secondsPerRound: number('seconds', 1),
    budgetMs: 1000 * number('budget', 60),
    log: () => {},
  };
}

function git(...args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** A checkout of `ref`, built with the dependencies of this one. */
function build(ref, folder) {
  git('worktree', 'add', '--detach', folder, ref);
  const modules = fs.realpathSync(path.join(root, 'node_modules'));
  fs.symlinkSync(modules, path.join(folder, 'node_modules'));
  for (const script of ['build-native.js', 'build-ts.js']) {
    execFileSync(process.execPath, [path.join(folder, 'scripts', script)], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
}

function removeWorktrees(folders, temporary) {
  for (const folder of folders) {
    if (fs.existsSync(folder)) git('worktree', 'remove', '--force', folder);
  }
  fs.rmSync(temporary, { recursive: true, force: true });
  git('worktree', 'prune');
}

/** Prints the line of an item; returns whether the second side is fast enough. */
function judge(item, [before, after], threshold) {
  const failed = [before, after].find(({ status }) => status !== 'ok');
  const speed = failed === undefined ? speedup(before, after) : undefined;
  if (speed === undefined) {
    console.log(`${item.name.padEnd(24)} not measured: ${failed?.reason.split('\n')[0] ?? 'batches differ'}`);
    return false;
  }
  const slower = speed.ratio < 1 - threshold;
  const figures = `${speed.ratio.toFixed(3)} (${speed.least.toFixed(3)}-${speed.most.toFixed(3)})`;
  const unit = before.unit;
  const sides = `${before.value.toPrecision(4)} -> ${after.value.toPrecision(4)} ${unit}`;
  console.log(`${item.name.padEnd(24)} ${figures}  ${sides}${slower ? '  SLOWER' : ''}`);
  return !slower;
}

/** One side: its name, and the commit to build or the folder that has been built. */
function sideOf(ref) {
  if (fs.existsSync(path.join(ref, 'package.json'))) {
    const folder = path.resolve(ref);
    // In a process of its own: a process takes one copy of tenon.
    const ask = `require(${JSON.stringify(folder)}).info().compiler.trim()`;
    const compiler = execFileSync(process.execPath, ['-p', ask], { encoding: 'utf8' }).trim();
    return { name: `${ref} (${compiler})`, folder };
  }
  try {
    const commit = git('rev-parse', '--verify', '--short', `${ref}^{commit}`);
    return { name: commit, commit };
  } catch {
    throw new UsageError(`${ref} is neither a commit nor a folder with a package`);
  }
}

async function compare(options) {
  const sides = options.refs.map(sideOf);
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tenon-compare-'));
  const folders = sides.map(
    ({ folder, commit }, i) => folder ?? path.join(temporary, `${'ab'[i]}-${commit}`),
  );
  const built = folders.filter((_, i) => sides[i].commit !== undefined);
  // Also when it is interrupted: exit handlers run then.
  process.once('exit', () => removeWorktrees(built, temporary));
  sides.forEach(({ name, commit }, i) => {
    if (commit === undefined) return;
    console.error(`building ${name}`);
    build(commit, folders[i]);
  });
  const systems = folders.map((folder, i) => {
    const { missing, ...launch } = tenon({ root: folder });
    const takes = () => true;
    return { name: sides[i].name, precision: 'fp32', takes, probe: false, compiles: false, launch, missing };
  });
  console.log(
    `${sides[1].name} against ${sides[0].name}, ${options.threads} threads, ${options.rounds} rounds`,
  );
  let allFast = true;
  for (const item of options.items) {
    allFast = judge(item, await measureItem(item, systems, options), options.threshold) && allFast;
  }
  return allFast;
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return console.log(help);
  process.exitCode = (await compare(options)) ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

main().catch((error) => {
  const usage = error instanceof UsageError || /^ERR_PARSE_ARGS/.test(error.code ?? '');
  console.error(usage ? `compare: ${error.message}` : error);
  process.exitCode = usage ? 2 : 1;
});
