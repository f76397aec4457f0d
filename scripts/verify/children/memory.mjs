/**
 * The processes whose memory is watched: `loop STEPS BATCH`, `fit STEPS BATCH`, `models COUNT BATCH`.
 * Nothing is disposed.
 */
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { compile, data, grad, info, losses, models, optim, tensor, Trainer } from 'tenon';

const [scenario, count, batch] = process.argv.slice(2).map((value, i) => (i === 0 ? value : Number(value)));

const residentBytes = () => Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4096;
const nativeBytes = ({ buffers, arenas, staging }) => buffers + arenas + staging;

function trainingStep(model) {
  const optimizer = optim.adam({ lr: 1e-3 });
  const loss = losses.crossEntropy();
  return compile((images, labels) => {
    const value = loss(model.forward(images), labels);
    optimizer.update(grad(value));
    return value;
  });
}

/** Fresh arrays and tensors, as a program that reads its data somewhere makes them. */
function freshBatch(i) {
  const images = Float32Array.from({ length: batch * 784 }, (_, k) => ((k * 31 + i * 17) % 255) / 255);
  const labels = Int32Array.from({ length: batch }, (_, k) => (k + i) % 10);
  return [tensor(images, [batch, 1, 28, 28]), tensor(labels, [batch])];
}

const every = Math.max(1, Math.floor(count / 400));

async function loop() {
  const step = trainingStep(models.lenet({ seed: 0 }));
  const resident = [];
  for (let i = 1; i <= count; i++) {
    await step(...freshBatch(i));
    if (i % every === 0) resident.push(residentBytes());
  }
  return { resident };
}

async function fit() {
  const { train } = await data.glyphs();
  const trainer = new Trainer(models.lenet(), {
    loss: losses.crossEntropy(),
    optimizer: optim.adam({ lr: 1e-3 }),
  });
  const resident = [];
  const watch = { everySteps: every, onSteps: () => void resident.push(residentBytes()) };
  await trainer.fit(train, { epochs: 1e6, maxSteps: count, batchSize: batch, callbacks: [watch] });
  return { resident };
}

/** A function of its own, so that nothing of a model stays in a frame. */
async function useOne(i) {
  const before = nativeBytes(info().memory);
  const step = trainingStep(models.lenet({ seed: i }));
  await step(...freshBatch(i));
  await step(...freshBatch(i + 1));
  return nativeBytes(info().memory) - before;
}

async function collect() {
  // Finalizers of one round let go of what the next collects.
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await sleep(2);
  }
}

async function dropModels() {
  const resident = [];
  const live = [];
  let one = 0;
  for (let i = 0; i < count; i++) {
    one = Math.max(one, await useOne(i));
    if (globalThis.gc) await collect();
    else await nextTurn();
    resident.push(residentBytes());
    live.push(nativeBytes(info().memory));
  }
  await collect();
  return { resident, live, made: one * count, after: info().memory };
}

const result = await { loop, fit, models: dropModels }[scenario]();
console.log(JSON.stringify(result));
