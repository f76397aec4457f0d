/**
 * `npm run verify [-- NAME...]`: the checks that take long, one after the other, each in a process of its
 * own. Writes docs/results/verify-DATE.json and .md; a run of some checks replaces their records of that day.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { info } from 'tenon';
import { commit, machine, root } from './report.mjs';

/** Timings first, so that they are not taken on a processor that the long runs have heated. */
const CHECKS = [
  'overhead',
  'job',
  'scaling',
  'ranks-speed',
  'ranks-link',
  'ranks-idle',
  'fork-join',
  'serving',
  'service',
  'whitening',
  'frozen',
  'augmentation-speed',
  'accuracy',
  'pretrained',
  'embedded',
  'install',
  'workers',
  'memory',
  'threads',
  'resume',
  'kill',
  'ranks',
  'ranks-kill',
  'search-kill',
  'search-kill-postgres',
  'search',
  'asha',
  'transfer',
  'finetune',
  'docker',
  'kubernetes',
  'mnist',
  'cifar10-fast',
  'cifar10',
  'augmentation',
  'policy-search',
  'bf16',
];

/** Runs a check with its lines shown and returns its record. */
function runCheck(name) {
  const directory = mkdtempSync(join(tmpdir(), 'tenon-verify-'));
  const record = join(directory, 'record.json');
  try {
    const script = join(root, 'scripts', 'verify', `${name}.mjs`);
    const { status, signal } = spawnSync(process.execPath, [script, '--record', record], {
      stdio: 'inherit',
    });
    if (existsSync(record)) return JSON.parse(readFileSync(record, 'utf8'));
    const figure = `it did not finish: ${signal ?? `exit ${status}`}`;
    return { name, goal: '', status: 'FAIL', figure, begun: new Date().toISOString(), commit: commit() };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function report({ date, machine: on, results }) {
  const cell = (text) => String(text).replaceAll('|', '\\|');
  const row = (r) =>
    `| ${r.status} | ${r.name} | ${cell(r.figure)} | ${cell(r.goal)} | ${r.commit} | ${Math.round(r.seconds ?? 0)} | ${(r.load ?? NaN).toFixed(1)} |`;
  return [
    `# Long checks of ${date}`,
    '',
    `${on.cpu}, ${on.cpus} CPUs, ${on.threads} threads, ${on.isa} kernels; Node ${on.node}; ${on.compiler}; tenon ${on.version}.`,
    '',
    '| | check | figure | goal | commit | seconds | load before |',
    '|---|---|---|---|---|---|---|',
    ...results.map(row),
    '',
    'Made by `npm run verify`; README.md beside this file says what each check does, the JSON file has the details.',
    '`+` behind a commit: tracked files differed from it.',
    '',
  ].join('\n');
}

const earlier = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).results : []);

/** Writes what is known so far: a run that is interrupted keeps what it found. */
function write(date, fresh) {
  const folder = join(root, 'docs', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `verify-${date}`);
  const byName = new Map([...earlier(`${file}.json`), ...fresh].map((result) => [result.name, result]));
  const results = CHECKS.flatMap((name) => byName.get(name) ?? []);
  const { version, isa, threads, compiler } = info();
  const all = { date, machine: { ...machine(), version, isa, threads, compiler }, results };
  writeFileSync(`${file}.json`, `${JSON.stringify(all, null, 1)}\n`);
  writeFileSync(`${file}.md`, report(all));
  return file;
}

const names = process.argv.slice(2);
const unknown = names.filter((name) => !CHECKS.includes(name));
if (unknown.length > 0) {
  console.error(`verify: no check named ${unknown.join(', ')}; there are ${CHECKS.join(', ')}`);
  process.exit(2);
}
const date = new Date().toISOString().slice(0, 10);
const fresh = [];
let file;
for (const name of names.length > 0 ? names : CHECKS) {
  fresh.push(runCheck(name));
  file = write(date, fresh);
}
console.log(`results: ${file}.md`);
if (fresh.some(({ status }) => status === 'FAIL')) process.exitCode = 1;
