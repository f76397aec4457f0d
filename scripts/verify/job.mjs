/**
 * A whole job, not only its steps: importing tenon, opening a folder of 50,000 images, the first step,
 * epochs, evaluation, saving, loading, predicting. Seconds, share of the job and the longest delay of the
 * event loop of each phase.
 */
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { data } from 'tenon';
import { childScript, inTemporary, lastLine, requireData, succeed } from './process.mjs';
import { check, median, megabytes, percent } from './report.mjs';

const goal =
  'nothing but training takes over 5% of the job; no delay over 50 ms beyond those of an idle thread';
const defaults = { images: 50_000, epochs: 3, batch: 128, starts: 5 };

/** Files that are encoded and written at once. */
const AT_ONCE = 64;

/** Writes the first images of a set as JPEG files in folders of their classes. */
async function writeImages(set, count, folder) {
  for (const name of set.classNames) mkdirSync(join(folder, name), { recursive: true });
  const [channels, height, width] = set.inputShape;
  const size = channels * height * width;
  for (let begin = 0; begin < count; begin += AT_ONCE) {
    const { inputs, targets } = await set.rows(begin, Math.min(count, begin + AT_ONCE));
    const files = Array.from(targets, async (label, i) => {
      const raw = { width, height, channels };
      const jpeg = await sharp(inputs.subarray(i * size, (i + 1) * size), { raw })
        .jpeg()
        .toBuffer();
      await writeFile(join(folder, set.classNames[label], `${begin + i}.jpg`), jpeg);
    });
    await Promise.all(files);
  }
}

/**
 * Milliseconds and processor milliseconds from the start of a program to its first line, which imports tenon.
 */
async function importing(flags, source, starts) {
  const code = `const b = performance.now(); const c = process.cpuUsage(); ${source}
    const { user, system } = process.cpuUsage(c);
    console.log(JSON.stringify([performance.now() - b, (user + system) / 1000]));`;
  const runs = [];
  for (let i = 0; i < starts; i++) runs.push(lastLine(await succeed([...flags, '--eval', code])));
  return { ms: median(runs.map(([ms]) => ms)), processorMs: median(runs.map(([, ms]) => ms)) };
}

/** What networks of other kinds make a job wait for, each in a process of its own. */
async function otherNetworks() {
  const script = childScript('job-models.mjs');
  const phases = [];
  for (const name of lastLine(await succeed([script])))
    phases.push(...lastLine(await succeed([script, name])));
  return phases;
}

const isTraining = ({ name }) => name.startsWith('epoch ');

function row({ name, seconds, processorSeconds, longestDelay, idleDelayMs, peakBytes }, total) {
  const cells = [
    name.padEnd(44),
    seconds.toFixed(3).padStart(9),
    processorSeconds.toFixed(3).padStart(9),
    (total === undefined ? '' : percent(seconds / total, 1)).padStart(7),
    longestDelay.ms.toFixed(0).padStart(6),
    longestDelay.onProcessor.toFixed(0).padStart(6),
    idleDelayMs.toFixed(0).padStart(6),
    megabytes(peakBytes, 0).padStart(9),
  ];
  return cells.join(' ');
}

function print({ modules, commonJs, phases, beside, total }) {
  const start = (how, { ms, processorMs }) =>
    `${how} ${ms.toFixed(0)} ms (${processorMs.toFixed(0)} on processors)`;
  console.log(`import: ${start('as a module', modules)}, ${start('as CommonJS', commonJs)}`);
  console.log(`${'phase'.padEnd(44)}   seconds processor   share  delay itself   idle    memory`);
  for (const phase of phases) console.log(row(phase, total));
  for (const phase of beside) console.log(row(phase));
}

await check('job', goal, defaults, ({ images, epochs, batch, starts }) =>
  inTemporary(async (directory) => {
    const dir = requireData('cifar10');
    const { train, test } = await data.cifar10({ dir });
    const folder = join(directory, 'images');
    await writeImages(train, Math.min(images, train.length), join(folder, 'train'));
    await writeImages(test, Math.min(images, test.length), join(folder, 'test'));
    const modules = await importing(['--input-type=module'], "await import('tenon');", starts);
    const commonJs = await importing([], "require('tenon');", starts);
    const job = [childScript('job.mjs'), folder, train.inputShape[1], epochs, batch, directory];
    const { phases, beside } = lastLine(await succeed(job.map(String)));
    beside.push(...(await otherNetworks()));
    const total = phases.reduce((sum, { seconds }) => sum + seconds, 0);
    print({ modules, commonJs, phases, beside, total });
    const late = [...phases, ...beside].map(({ longestDelay: { ms }, idleDelayMs }) => ms - idleDelayMs);
    const slow = phases.filter((phase) => !isTraining(phase) && phase.seconds > total / 20);
    return {
      pass: Math.max(...late) < 50 && slow.length === 0,
      figure: `${total.toFixed(0)} s; over 5%: ${slow.map(({ name }) => name).join(', ') || 'nothing'}; longest delay ${Math.max(...late).toFixed(0)} ms beyond an idle thread's`,
      details: { modules, commonJs, total, phases, beside },
    };
  }),
);
