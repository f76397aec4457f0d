/** What goes wrong for users, each with the command that tenon's error names; and TypeScript, bundlers. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../report.mjs';
import { copyScripts, train } from './project.mjs';

export const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const npm = (at, folder, ...args) => at.succeed(['npm', ...args], { cwd: folder });

/** The npm command on a line of its own in an error. */
function commandIn(text) {
  const lines = text.split('\n').map((line) => line.trim());
  const command = lines.map((line) => /^(?:\w+: +)?((?:rm|npm) .*)$/.exec(line)?.[1]).find(Boolean);
  if (command === undefined) throw new Error(`the error names no command: ${text.trim().slice(0, 600)}`);
  return command;
}

/** tenon must refuse to train with a command, which mends it. */
async function mended(at, folder) {
  copyScripts(folder);
  const { code, stderr } = await at.run(['node', 'esm.mjs', '1024', '64'], { cwd: folder });
  if (code === 0) throw new Error('it trains although the right package is missing');
  const command = commandIn(stderr);
  await at.succeed(['sh', '-c', command], { cwd: folder });
  const { losses, weights, seconds, info } = await train(at, folder, 'esm.mjs');
  return { losses, weights, info, trained: seconds, note: `mended by: ${command}`, error: stderr };
}

/**
 * npm 10 writes a lockfile of what lies in node_modules, and then names the packages of that system only; the
 * system is another processor, or another C library, which npm 10 does not tell apart.
 */
export async function lockfiles(at) {
  const rows = [];
  for (const system of [
    ['--os=linux', '--cpu=arm64', '--libc=glibc'],
    ['--os=linux', '--cpu=x64', '--libc=musl'],
  ]) {
    const folder = at.emptyFolder();
    await npm(at, folder, 'install', 'tenon', ...system);
    rmSync(join(folder, 'package-lock.json'));
    await npm(at, folder, 'install', ...system);
    rmSync(join(folder, 'node_modules'), { recursive: true });
    await npm(at, folder, 'ci');
    rows.push({ how: system.join(' '), ...(await mended(at, folder)) });
  }
  return rows;
}

export async function omitted(at) {
  const folder = at.emptyFolder();
  await npm(at, folder, 'install', 'tenon', '--omit=optional');
  return [{ how: '--omit=optional', ...(await mended(at, folder)) }];
}

const PROGRAM = `
import { data, losses, nn, optim, Trainer, type History } from 'tenon';
import * as tenon from 'tenon';

const { train }: { train: tenon.data.Dataset } = await data.glyphs();
const model: nn.Sequential = nn.sequential(nn.flatten(), nn.linear(784, 10));
const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) });
const history: History = await trainer.fit(train.take(512), { epochs: 1, batchSize: 64 });
console.log(history.epochs.length);
`;
const COMMONJS = `
import tenon = require('tenon');

console.log(tenon.nn.relu().kind, tenon.info().version);
`;

/** Without @types/node and skipLibCheck: the declarations need nothing that is not installed with tenon. */
export async function typescript(at) {
  const folder = at.emptyFolder();
  await npm(at, folder, 'install', 'tenon', `typescript@${devDependencies.typescript}`);
  writeFileSync(join(folder, 'program.mts'), PROGRAM);
  writeFileSync(join(folder, 'commonjs.cts'), COMMONJS);
  const strict = ['--strict', '--target', 'es2022', '--skipLibCheck', 'false'];
  const ways = {
    nodenext: ['--module', 'nodenext', 'program.mts', 'commonjs.cts'],
    bundler: ['--module', 'esnext', '--moduleResolution', 'bundler', '--noEmit', 'program.mts'],
  };
  const rows = [];
  for (const [how, flags] of Object.entries(ways)) {
    const { seconds } = await at.succeed(['npx', 'tsc', ...strict, ...flags], { cwd: folder });
    rows.push({ how: `--module ${how}`, note: `tsc: ${seconds.toFixed(1)} s` });
  }
  for (const file of ['program.mjs', 'commonjs.cjs']) await at.succeed(['node', file], { cwd: folder });
  return rows;
}

const ESBUILD = '0.28.2';

/** A bundle for a server, with tenon left outside as every package with an addon is. */
export async function bundle(at) {
  const folder = at.emptyFolder();
  await npm(at, folder, 'install', 'tenon', `esbuild@${ESBUILD}`);
  copyScripts(folder);
  const rows = [];
  for (const [how, flags] of Object.entries({ esm: ['--outfile=out.mjs'], cjs: ['--outfile=out.cjs'] })) {
    const entry = how === 'esm' ? 'esm.mjs' : 'commonjs.cjs';
    const command = [
      'npx',
      'esbuild',
      entry,
      '--bundle',
      '--platform=node',
      `--format=${how}`,
      '--external:tenon',
    ];
    await at.succeed([...command, ...flags], { cwd: folder });
    const { losses, weights, info, seconds } = await train(at, folder, flags[0].split('=')[1]);
    rows.push({ how: `--format=${how} --external:tenon`, losses, weights, info, trained: seconds });
  }
  return rows;
}
