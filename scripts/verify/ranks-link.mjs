/**
 * Two ranks of one thread, joined by a link of 1 Gbit/s between two network namespaces: the time of a step
 * beside what the model predicts (exchange-model.mjs), what of the exchange backward hides, and PyTorch's
 * DistributedDataParallel over gloo in the same setting, where `TENON_PYTHON` has it. As root, on Linux.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { step as predicted } from './exchange-model.mjs';
import { DEVICE, Link } from './link.mjs';
import { mpirun } from './mpirun.mjs';
import { childScript, lastLine, run } from './process.mjs';
import { check } from './report.mjs';

const goal = 'a step over 1 Gbit/s takes at most 1.25 times what the model predicts';
const defaults = { gigabits: 1, steps: 10, only: '' };
const MOST = 1.25;

const NETWORKS = { vggs: 128, resnet18: 64 };
const { items } = createRequire(import.meta.url)('../../bench/lib/workloads.js');

const python = process.env.TENON_PYTHON ?? 'python3';
const hasTorch = () => spawnSync(python, ['-c', 'import torch.distributed']).status === 0;

/** Runs commands at once. @returns what each printed last */
async function together(commands) {
  const env = { TENON_NUM_THREADS: '1', GLOO_SOCKET_IFNAME: DEVICE };
  const results = await Promise.all(commands.map(([program, args]) => run(program, args, { env })));
  for (const { code, stderr } of results) if (code !== 0) throw new Error(stderr.trim());
  return results.map((result) => (result.lines.length === 0 ? {} : lastLine(result)));
}

const slowest = (results) => Math.max(...results.map(({ median }) => median));

/**
 * Milliseconds of steps: of a rank's part by itself, on both cores at once; of two ranks; of the exchange.
 */
async function ofTenon(link, model, batch, steps) {
  const script = (size, shards) => {
    const settings = ['--model', model, '--batch', size, '--steps', steps, '--shards', shards];
    return [childScript('ranks-speed.mjs'), ...settings.map(String)];
  };
  const alone = [process.execPath, script(batch / 2, 1)];
  const compute = slowest(await together([alone, alone]));
  const [linked] = await together([link.mpirun(script(batch, 2))]);
  const [host] = await together([mpirun(2, script(batch, 2))]);
  return {
    compute,
    step: linked.median,
    exchange: linked.sum,
    parameters: linked.parameters,
    onHost: host.median,
  };
}

async function ofTorch(link, model, batch, steps) {
  const item = items.find(({ name, kind }) => name === model && kind === 'train');
  const network = Buffer.from(JSON.stringify({ layers: item.layers })).toString('hex');
  const args = (size) => (rank, address) => [
    ...[childScript('ddp.py'), network, batch / 2, steps, rank, size, address].map(String),
  ];
  const compute = slowest(await together(link.each(python, args(1))));
  const trained = await together(link.each(python, args(2)));
  return { compute, step: slowest(trained), parameters: trained[0].parameters };
}

function row({ model, batch, tenon, torch, prediction }) {
  const ms = (value) => (value === undefined ? '-' : value.toFixed(0)).padStart(8);
  const hidden = 1 - (tenon.step - tenon.compute) / tenon.exchange;
  const cells = [tenon.compute, tenon.exchange, tenon.compute + tenon.exchange, prediction, tenon.step];
  const others = [tenon.onHost, torch?.compute, torch?.step];
  return `${model.padEnd(10)}${String(batch).padStart(5)}${[...cells, ...others].map(ms).join('')}${`${(100 * hidden).toFixed(0)}%`.padStart(8)}`;
}

await check('ranks-link', goal, defaults, async ({ gigabits, steps, only }) => {
  const link = new Link(gigabits);
  try {
    const names = Object.keys(NETWORKS).filter((name) => only === '' || only.split(',').includes(name));
    const networks = [];
    console.log(
      `milliseconds  batch compute exchange   both predicted  step on host torch: compute, step; of the exchange hidden`,
    );
    for (const model of names) {
      const batch = NETWORKS[model];
      const tenon = await ofTenon(link, model, batch, steps);
      const torch = hasTorch() ? await ofTorch(link, model, batch, Math.ceil(steps / 2)) : undefined;
      const prediction = 1000 * predicted(tenon.compute / 1000, 4 * tenon.parameters, 2, gigabits);
      networks.push({ model, batch, tenon, torch, prediction });
      console.log(row(networks.at(-1)));
    }
    const shown = networks.map(({ model, tenon: { step }, prediction }) => {
      return `${model} ${step.toFixed(0)} ms, predicted ${prediction.toFixed(0)}`;
    });
    return {
      pass: networks.every(({ tenon: { step }, prediction }) => step <= MOST * prediction),
      figure: shown.join('; '),
      details: { networks },
    };
  } finally {
    link.remove();
  }
});
