/**
 * The time of a step against ranks, one on each host, with a fixed batch per host: what the model of
 * exchange-model.mjs predicts for links that this machine does not have. Prints a table of Markdown.
 * node scripts/verify/ranks-model.mjs [--latency 50] [--message 12] [--local 0.83]
 */
import { parseArgs } from 'node:util';
import { COSTS, step } from './exchange-model.mjs';

const text = { type: 'string' };
const { values } = parseArgs({ options: { latency: text, message: text, local: text } });
const given = (name, unit) => (values[name] === undefined ? COSTS[name] : Number(values[name]) * unit);
const costs = {
  latency: given('latency', 1e-6),
  message: given('message', 1e-6),
  local: given('local', 1e-9),
};

const HOSTS = [2, 4, 8, 16, 32, 64, 128, 256];
const LINKS = [1, 10, 100];

/** Examples per second of two cores, and bytes of gradients (float32). */
const NETWORKS = [
  { name: 'resnet18', speed: 17, gradients: 46_758_048 },
  { name: 'vgg16', speed: 3.2, gradients: 553_430_176 },
];
/** How many times faster than two cores a host is, taken as linear, and its batch. */
const MACHINES = [
  { cores: 2, factor: 1, batch: 16 },
  { cores: 64, factor: 32, batch: 64 },
];

/** The share of its speed alone that a host keeps. */
function efficiency({ speed, gradients }, { factor, batch }, hosts, link) {
  const compute = batch / (speed * factor);
  return compute / step(compute, gradients, hosts, link, costs);
}

console.log(`| network | host | Gbit/s | ${HOSTS.join(' | ')} |`);
console.log(`|---|---|---|${HOSTS.map(() => '---|').join('')}`);
for (const network of NETWORKS)
  for (const machine of MACHINES)
    for (const link of LINKS) {
      const cells = HOSTS.map((hosts) => efficiency(network, machine, hosts, link).toFixed(2));
      const host = `${machine.cores} cores, batch ${machine.batch}`;
      console.log(`| ${network.name} | ${host} | ${link} | ${cells.join(' | ')} |`);
    }
