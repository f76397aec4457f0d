/**
 * Trains alone, then while four workers predict without a pause, and aborts. Prints what both got done, and
 * the weights' digest.
 */
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { nn } from '../../../lib';
import { smallTrainer, someGlyphs, weightsDigest } from '../helpers';

const STEPS = 12;

/** Many kernels, so that there are many places between two of them. */
function net(): nn.Sequential {
  const block = (): nn.Module[] => [nn.conv2d(8, 8, { kernel: 3, padding: 1 }), nn.batchNorm2d(8), nn.relu()];
  const stem = nn.conv2d(1, 8, { kernel: 3, padding: 1, stride: 2 });
  const blocks = Array.from({ length: 6 }, block).flat();
  return nn
    .sequential(stem, ...blocks, nn.globalAvgPool2d(), nn.flatten(), nn.linear(8, 10))
    .initialize({ seed: 1 });
}

/** `amid`: aborts in the middle of a step, not between two. */
async function train(predicted: () => number, amid = false): Promise<object> {
  const controller = new AbortController();
  const trainer = smallTrainer(net());
  let [atBegin, atAbort] = [0, 0];
  const abort = (): void => {
    atAbort = predicted();
    controller.abort();
  };
  const onSteps = (step: number): void => {
    if (step === 2) atBegin = predicted();
    if (step !== 2 + STEPS) return;
    if (amid) setTimeout(abort, 2);
    else abort();
  };
  const outcome = await trainer
    .fit(await someGlyphs(), {
      epochs: 1000,
      batchSize: 32,
      signal: controller.signal,
      callbacks: [{ everySteps: 1, onSteps }],
    })
    .catch((error: unknown) => (error as Error).name);
  const [during, afterAbort] = [atAbort - atBegin, predicted() - atAbort];
  return { outcome, during, afterAbort, digest: await weightsDigest(trainer.model) };
}

async function serve(counts: Int32Array, slot: number): Promise<void> {
  const model = net();
  const images = new Float32Array(32 * 784).fill(0.5);
  for (;;) {
    await model.predict(images, { shape: [1, 28, 28] });
    Atomics.add(counts, slot, 1);
  }
}

async function main(): Promise<void> {
  const counts = new Int32Array(new SharedArrayBuffer(16));
  const predicted = (): number => counts.reduce((sum, count) => sum + count);
  const alone = await train(predicted);
  for (let slot = 0; slot < 4; slot++) new Worker(__filename, { workerData: { counts, slot } });
  while (counts.some((count) => count < 3)) await new Promise((resolve) => setTimeout(resolve, 5));
  const together = await train(predicted);
  const amid = await train(predicted, true);
  console.log(JSON.stringify({ steps: STEPS, alone, together, amid }));
  process.exit(0);
}

const { counts, slot } = (workerData ?? {}) as { counts: Int32Array; slot: number };
void (isMainThread ? main() : serve(counts, slot));
