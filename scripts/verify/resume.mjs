/**
 * A run that is killed and resumed ends with the same bits as one that is not: by the API in the middle of an
 * epoch, and by `tenon train --resume`.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { childScript, events, inTemporary, lastLine, runNode, succeed, tenon } from './process.mjs';
import { check } from './report.mjs';

const goal = 'resnet20, the same SHA-256 of the weights after kill -9 and resume';
const defaults = { steps: 100, batch: 128, every: 20, kill: 50, epochs: 2 };

/** Starts a child and kills it as soon as `now(line)` says so. */
async function killed(args, now) {
  let at;
  const { signal, code } = await runNode(args, {
    onLine(line, child) {
      at ??= now(line, child);
    },
  });
  if (signal !== 'SIGKILL') throw new Error(`the run that was to be killed ended by itself (exit ${code})`);
  return at;
}

async function byApi(directory, { steps, batch, every, kill }) {
  const args = [childScript('resnet20.mjs'), '--steps', steps, '--batch', batch].map(String);
  const whole = lastLine(await succeed(args));
  const saving = [...args, '--checkpoints', join(directory, 'checkpoints'), '--every', String(every)];
  const at = await killed(saving, (line, child) => {
    const { step } = JSON.parse(line);
    if (!(step >= kill)) return undefined;
    child.kill('SIGKILL');
    return step;
  });
  const resumed = lastLine(await succeed([...args, '--resume', join(directory, 'checkpoints')]));
  return { at, whole: whole.digest, resumed: resumed.digest, steps: resumed.done };
}

const fileDigest = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Killed a while after its first epoch, so in the middle of a later one. */
async function byCommandLine(directory, { epochs }) {
  const train = (out, ...rest) =>
    tenon(
      'train',
      '--model',
      'resnet20',
      '--epochs',
      epochs,
      '--json',
      '--out',
      join(directory, out),
      ...rest,
    );
  const weights = (out) => fileDigest(join(directory, out, 'model.safetensors'));
  const [, first] = events(await succeed(train('whole')));
  await killed(train('killed'), (line, child) => {
    if (JSON.parse(line).event !== 'epoch') return undefined;
    setTimeout(() => child.kill('SIGKILL'), (1000 * first.seconds) / 3);
    return 1;
  });
  const resumed = tenon('train', '--json', '--resume', join(directory, 'killed'));
  const seen = events(await succeed(resumed)).filter(({ event }) => event === 'epoch');
  if (seen.length !== epochs - 1)
    throw new Error(`--resume trained ${seen.length} epochs, expected ${epochs - 1}`);
  return { whole: weights('whole'), resumed: weights('killed') };
}

await check('resume', goal, defaults, (settings) =>
  inTemporary(async (directory) => {
    const api = await byApi(directory, settings);
    const cli = settings.epochs > 1 ? await byCommandLine(directory, settings) : undefined;
    const same = (pair) => pair.whole === pair.resumed;
    const show = (pair) =>
      same(pair) ? pair.whole.slice(0, 16) : `${pair.whole.slice(0, 16)} became ${pair.resumed.slice(0, 16)}`;
    const lines = [`killed at step ${api.at} of ${settings.steps}: ${show(api)}`];
    if (cli) lines.push(`tenon train --resume in epoch 2 of ${settings.epochs}: ${show(cli)}`);
    return {
      pass: same(api) && api.steps === settings.steps && (cli === undefined || same(cli)),
      figure: lines.join('; '),
      details: { api, cli },
    };
  }),
);
