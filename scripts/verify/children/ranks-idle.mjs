/**
 * What a rank takes of its machine: processor time while it has nothing to do and while it waits for
 * another, resident memory in training, and how late its event loop is while it exchanges. Each rank's
 * figures as JSON.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { distributed, losses, models, optim, Trainer } from 'tenon';
import { randomImages } from './images.mjs';

const SECONDS = 5;
const RESOLUTION = 1;

const world = await distributed.join();

/** The share of a core that this process takes during the work. */
async function busyShare(work) {
  const [begin, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (performance.now() - begin);
}

/** The 99th percentile of the delays of a 1 ms timer during the work, in milliseconds. */
async function lateness(work) {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
  delays.enable();
  await work();
  delays.disable();
  return delays.percentile(99) / 1e6 - RESOLUTION;
}

async function train() {
  const trainer = new Trainer(models.resnet20({ classes: 10 }), {
    world,
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
  });
  await trainer.fit(await randomImages(256), { epochs: 1000, maxSteps: 10, batchSize: 64 });
}

/** Sums of 64 MB, as gradients of a large network are. */
async function exchange() {
  const own = world.shards(world.size);
  const arrays = Array.from({ length: own.end - own.begin }, () => new Float32Array(1 << 24));
  for (let i = 0; i < 5; i++) await world.sum(arrays);
}

await world.barrier();
const idle = await busyShare(() => sleep(1000 * SECONDS));
await world.barrier();
const waiting = await busyShare(async () => {
  if (world.rank === world.size - 1) await sleep(1000 * SECONDS); // the others wait for this one
  await world.barrier();
});
const trainDelay = await lateness(train);
const resident = process.resourceUsage().maxRSS * 1024;
const exchangeDelay = await lateness(exchange);
const all = await world.gather({ idle, waiting, trainDelay, exchangeDelay, resident });
if (world.rank === 0) console.log(JSON.stringify(all));
