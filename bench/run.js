'use strict';

/** Compares tenon with its peers: `node bench/run.js --help`. */
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { compareAll } = require('./lib/comparison');
const { measureItem } = require('./lib/measure');
const { measurePeaks } = require('./lib/peaks');
const { terminalReport, markdownReport } = require('./lib/report');
const { defaultSystems, needPeers, resolveSystems, systemNames } = require('./lib/systems');
const { items } = require('./lib/workloads');

const help = `node bench/run.js [options]

  --only ITEM,...       items, the start of their names, or train, infer, kernel (default: all)
  --systems NAME,...    ${systemNames.join(', ')}
                        (default: ${defaultSystems().join(', ')}; with --newer-python
                        also those that it runs)
  --threads N           threads of every system that has them (default: cores, at most 2)
  --rounds N            interleaved rounds (default 3)
  --seconds S           measured time of a system in one round (default 1)
  --budget S            most a system may spend on an item, preparation included (default 60)
  --compile-budget S    most that torch.compile may take for an item, outside that time (default 300)
  --json FILE           results as JSON
  --md FILE             results as Markdown
  --label TEXT          printed beside the machine, for example "machine was shared"
  --python FILE         the Python that has torch (default: python3, /usr/bin/python3)
  --newer-python FILE   a Python that has the newest torch, for columns of its own (pytorch-newer,
                        -compiled, -autotuned, -frozen, -scripted), and openvino
  --list                names of the items
  --help

Items: ${items.map((item) => item.name).join(', ')}`;

class UsageError extends Error {}

const optionTypes = {
  ...Object.fromEntries(
    ['only', 'systems', 'threads', 'rounds', 'seconds', 'budget', 'compile-budget'].map((k) => [
      k,
      { type: 'string' },
    ]),
  ),
  ...Object.fromEntries(
    ['json', 'md', 'label', 'python', 'newer-python'].map((k) => [k, { type: 'string' }]),
  ),
  list: { type: 'boolean' },
  help: { type: 'boolean' },
};

function positive(values, name, fallback, whole) {
  if (values[name] === undefined) return fallback;
  const value = Number(values[name]);
  if (!(value > 0 && Number.isFinite(value)) || (whole && !Number.isInteger(value))) {
    throw new UsageError(
      `--${name} must be a positive ${whole ? 'integer' : 'number'}, got '${values[name]}'`,
    );
  }
  return value;
}

function chosenItems(only) {
  if (only === undefined) return items;
  const wanted = only.split(',');
  for (const name of wanted) {
    if (!items.some((item) => matches(item, name)))
      throw new UsageError(`--only: no item '${name}'; see --list`);
  }
  return items.filter((item) => wanted.some((name) => matches(item, name)));
}

function matches(item, name) {
  return item.name === name || item.kind === name || item.name.startsWith(`${name}-`);
}

function chosenSystems({ systems: names, 'newer-python': newerPython }) {
  if (names === undefined) return defaultSystems({ newerPython });
  const wanted = names.split(',');
  for (const name of wanted) {
    if (!systemNames.includes(name))
      throw new UsageError(`--systems: '${name}' is none of ${systemNames.join(', ')}`);
  }
  return wanted;
}

function readOptions(argv) {
  let values;
  try {
    values = parseArgs({ args: argv, options: optionTypes }).values;
  } catch (error) {
    throw new UsageError(error.message);
  }
  return {
    values,
    items: chosenItems(values.only),
    systems: chosenSystems(values),
    threads: positive(values, 'threads', Math.min(2, os.availableParallelism()), true),
    rounds: positive(values, 'rounds', 3, true),
    secondsPerRound: positive(values, 'seconds', 1, false),
    budgetMs: 1000 * positive(values, 'budget', 60, false),
    compileBudgetMs: 1000 * positive(values, 'compile-budget', 300, false),
    log: process.stderr.isTTY
      ? (line) => process.stderr.write(`\r\x1b[K${line}`)
      : (line) => console.error(line),
  };
}

/**
 * The peers are heavy, so they are installed when first needed; their install scripts download more and
 * are not run.
 */
function installPeers() {
  if (fs.existsSync(path.join(__dirname, 'node_modules'))) return;
  console.error('bench: installing the peers into bench/node_modules');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  execFileSync(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: __dirname,
    stdio: 'inherit',
  });
}

function commit() {
  try {
    const git = (...args) =>
      execFileSync('git', args, { cwd: __dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '');
  } catch {
    return 'unknown';
  }
}

function describeMachine({ threads, rounds, budgetMs, values }) {
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    node: process.versions.node,
    commit: commit(),
    threads,
    rounds,
    budgetSeconds: budgetMs / 1000,
    loadAverage: os.loadavg().map((load) => Number(load.toFixed(2))),
    ...(values.label === undefined ? {} : { label: values.label }),
  };
}

function writeFiles(report, { json, md }) {
  if (json !== undefined) fs.writeFileSync(json, `${JSON.stringify(report, null, 1)}\n`);
  if (md !== undefined) fs.writeFileSync(md, markdownReport(report));
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.values.help) return console.log(help);
  if (options.values.list) return console.log(items.map((item) => item.name).join('\n'));
  if (needPeers(options.systems)) installPeers();
  const { python, 'newer-python': newerPython } = options.values;
  const systems = resolveSystems(options.systems, { python, newerPython });
  const report = { machine: describeMachine(options), results: [], comparisons: [] };
  const lookAtMachine = () => {
    report.machine.peaks = measurePeaks(options.threads, report.machine.peaks);
    report.comparisons = compareAll(report.results, report.machine.peaks);
  };
  lookAtMachine();
  for (const item of options.items) {
    report.results.push(...(await measureItem(item, systems, options)));
    lookAtMachine();
    // Written after each item, so that an interrupted run leaves what it has.
    writeFiles(report, options.values);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(terminalReport(report));
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

main().catch((error) => {
  console.error(error instanceof UsageError ? `bench: ${error.message}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
