/** Counts the calls into the addon and compares kernel time with wall time: `overhead.mjs STEPS BATCH`. */
import { countCalls } from './count-calls.mjs';

const [steps, batch] = process.argv.slice(2).map(Number);
const counter = countCalls();
const { compile, data, grad, losses, models, optim, tensor, Trainer } = await import('tenon');

const kernelMs = (compiled) =>
  compiled
    .profile()
    .flat()
    .reduce((sum, { nanoseconds }) => sum + nanoseconds, 0) / 1e6;

/** `steps` steps, each awaited before the next is queued; the batch is copied in with each. */
async function compiledLoop() {
  const model = models.lenet({ seed: 1 });
  const optimizer = optim.adam({ lr: 1e-3 });
  const loss = losses.crossEntropy();
  const step = compile((images, labels) => {
    const value = loss(model.forward(images), labels);
    optimizer.update(grad(value));
    return value;
  });
  const pixels = Float32Array.from({ length: batch * 784 }, (_, i) => ((i * 7919) % 1009) / 504.5 - 1);
  const images = tensor(pixels, [batch, 1, 28, 28]);
  const labels = tensor(
    Int32Array.from({ length: batch }, (_, i) => i % 10),
    [batch],
  );
  for (let i = 0; i < 10; i++) await step(images, labels);
  const kernelsBefore = kernelMs(step);
  const before = counter.total();
  const begun = performance.now();
  for (let i = 0; i < steps; i++) await step(images, labels);
  const wallMs = performance.now() - begun;
  const calls = counter.total() - before;
  const kernels = kernelMs(step) - kernelsBefore;
  return { wallMs, kernelMs: kernels, overhead: 1 - kernels / wallMs, calls };
}

/** What `count` further steps of the same epoch of `fit` add to its calls. */
async function fitCalls(count) {
  const samples = batch * (2 * count + 1);
  const images = Uint8Array.from({ length: samples * 784 }, (_, i) => (i * 7919) % 251);
  const labels = Uint8Array.from({ length: samples }, (_, i) => i % 10);
  const train = await data.fromArrays({ images, labels, shape: [28, 28, 1] });
  const run = async (maxSteps) => {
    const trainer = new Trainer(models.lenet({ seed: 1 }), {
      loss: losses.crossEntropy(),
      optimizer: optim.adam(),
    });
    const before = counter.total();
    await trainer.fit(train, { epochs: 1, maxSteps, batchSize: batch });
    return counter.total() - before;
  };
  const first = await run(count);
  return { steps: count, calls: (await run(2 * count)) - first, besides: first - count };
}

const loop = { steps, ...(await compiledLoop()) };
const fit = await fitCalls(Math.min(steps, 200));
console.log(JSON.stringify({ loop, fit, byName: counter.byName() }));
