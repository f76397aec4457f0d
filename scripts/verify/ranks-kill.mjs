/**
 * A job of ranks, one of which is killed with SIGKILL at a random instant, or stopped with SIGSTOP: all ranks
 * must be gone within seconds, what the job says must name the rank, and the run must go on, on a random
 * number of ranks, to the weights of a run that nobody disturbed.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, random, sleep } from './killing.mjs';
import { launcherOf, launchers, mpirun } from './mpirun.mjs';
import { inTemporary, tenon } from './process.mjs';
import { check, Skipped } from './report.mjs';

const goal =
  'every job ends on all ranks within 10 s and names the rank; every run ends with the same SHA-256';
const defaults = { kills: 15, stops: 1, ranks: 3, epochs: 3, launcher: '', seed: 7 };
const LIMIT = 10;

/** One as `Open MPI 5.0.11`, by the beginning of its name. @throws Skipped where there is none */
function launcherNamed(name) {
  if (name === '') return launcherOf();
  const found = launchers().find((each) => each.name.startsWith(name));
  if (found === undefined) throw new Skipped(`${name} is not installed`);
  return found;
}

/** Starts `tenon train` on so many ranks, in a folder where a run may have begun. */
function start(folder, ranks, { launcher, epochs, shards }) {
  const settings = [
    '--model',
    'lenet',
    '--epochs',
    epochs,
    '--shards',
    shards,
    '--out',
    folder,
    '--auto-resume',
  ];
  const command = mpirun(ranks, tenon('train', '--json', ...settings), launcher);
  const child = spawn(...command, { stdio: ['ignore', 'pipe', 'pipe'] });
  const job = { pid: child.pid, launcher, text: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (job.text += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (job.text += text));
  job.ended = new Promise((done) => child.on('close', (code) => done(code)));
  return job;
}

/** A process and all below it. MPICH's launcher has another between itself and the ranks. */
function family(pid) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return [pid, ...children.filter(Boolean).flatMap((child) => family(Number(child)))];
  } catch {
    return []; // it has ended
  }
}

/** The processes of a job by their ranks, as far as they have begun. */
function ranksOf({ pid, launcher }) {
  const found = new Map();
  for (const child of family(pid)) {
    const variables = `\0${readFileSync(`/proc/${child}/environ`, 'latin1')}`;
    const rank = new RegExp(`\0${launcher.rank}=(\\d+)\0`).exec(variables);
    if (rank !== null) found.set(Number(rank[1]), child);
  }
  return found;
}

/**
 * Disturbs one rank once the job trains; returns seconds until all were gone, and whether the rank was named.
 */
async function disturb(job, signal, most) {
  while (!job.text.includes('"start"')) await sleep(20);
  await sleep(random() * most * 1000);
  const processes = [...ranksOf(job)];
  const [rank, pid] = processes[Math.floor(random() * processes.length)] ?? [];
  if (pid === undefined) return undefined; // the run had come to its end
  const begin = performance.now();
  process.kill(pid, signal);
  const code = await job.ended;
  while (processes.some(([, each]) => isAlive(each))) await sleep(20);
  const named = new RegExp(`rank ${rank}\\b`).test(job.text);
  const end = job.text.slice(-1500);
  return { rank, signal, seconds: (performance.now() - begin) / 1000, named, code, ...(!named && { end }) };
}

const modelOf = (folder) =>
  createHash('sha256')
    .update(readFileSync(join(folder, 'model.safetensors')))
    .digest('hex');

await check('ranks-kill', goal, defaults, async ({ kills, stops, ranks, epochs, launcher: name, seed }) => {
  return inTemporary(async (directory) => {
    const launcher = launcherNamed(name);
    const settings = { launcher, epochs, shards: ranks };
    for (let i = 0; i < seed; i++) random();
    const whole = join(directory, 'whole');
    const begin = performance.now();
    if ((await start(whole, ranks, settings).ended) !== 0) throw new Error('the undisturbed job failed');
    const seconds = (performance.now() - begin) / 1000;
    const expected = modelOf(whole);
    const outcomes = [];
    for (let i = 0; i < kills + stops; i++) {
      const folder = join(directory, String(i));
      const signal = i < kills ? 'SIGKILL' : 'SIGSTOP';
      const outcome = await disturb(start(folder, ranks, settings), signal, 0.6 * seconds);
      const again = 1 + Math.floor(random() * ranks);
      const job = start(folder, again, settings);
      const code = await job.ended;
      const same = code === 0 && modelOf(folder) === expected;
      outcomes.push({ ...outcome, again, same, ...(same ? {} : { text: job.text.slice(-2000) }) });
      console.log(JSON.stringify(outcomes.at(-1)));
    }
    const disturbed = outcomes.filter(({ seconds: took }) => took !== undefined);
    const slowest = Math.max(...disturbed.map(({ seconds: took }) => took));
    const named = disturbed.filter((each) => each.named).length;
    const same = outcomes.filter((each) => each.same).length;
    const figure =
      `${launcher.name}: ${disturbed.length} of ${outcomes.length} jobs disturbed, ${named} named the rank, ` +
      `gone after at most ${slowest.toFixed(1)} s; ${same} resumed to the same SHA-256`;
    const pass =
      disturbed.length > 0 && named === disturbed.length && slowest <= LIMIT && same === outcomes.length;
    return { pass, figure, details: { outcomes } };
  });
});
