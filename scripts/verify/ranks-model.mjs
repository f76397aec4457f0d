/**
 * A model of the time of a step against ranks, one on each host, with a fixed batch per host: what it
 * predicts for links that this machine does not have. Prints a table of Markdown. node
 * scripts/verify/ranks-model.mjs [--latency 50] [--message 12] [--local 0.83]
 *
 * step(n)    = compute + max(tail, exchange(n) - overlap)
 * exchange   = bytes / link + bytes * local + buckets * 2 * (latency + (n - 1) * message)
 *   bytes    : 2 (n - 1) / n of the gradients leave each rank, and as many come: slices out, sums back
 *   local    : what copies and sums take of the processor, a byte
 *   latency  : of one message; message: what each further one takes of the communication thread
 * overlap    = what of backward is left when the first bucket is ready: backward is two thirds of a step
 * tail       = the last bucket, which nothing hides
 */
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    latency: { type: 'string', default: '50' },
    message: { type: 'string', default: '12' },
    local: { type: 'string', default: '0.83' },
  },
});
/** Seconds, and seconds per byte. */
const latency = Number(values.latency) / 1e6;
const message = Number(values.message) / 1e6;
const local = Number(values.local) / 1e9;

const BUCKET = 4 << 20;
/** The part of a link's nominal rate that TCP carries. */
const PAYLOAD = 0.94;
const BACKWARD = 2 / 3;
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

function exchange(gradients, hosts, link) {
  const bytes = (2 * (hosts - 1) * gradients) / hosts;
  const buckets = Math.ceil(gradients / BUCKET);
  const rate = (link * 1e9 * PAYLOAD) / 8;
  const seconds = bytes / rate + bytes * local + buckets * 2 * (latency + (hosts - 1) * message);
  return { seconds, tail: seconds / buckets };
}

/** The share of its speed alone that a host keeps. */
function efficiency({ speed, gradients }, { factor, batch }, hosts, link) {
  const compute = batch / (speed * factor);
  const { seconds, tail } = exchange(gradients, hosts, link);
  return compute / (compute + Math.max(tail, seconds - BACKWARD * compute));
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
