/**
 * Trains while four workers predict without a pause until a prediction was answered meanwhile, aborts in the
 * middle of a step of another training, and trains alone for as many steps as the first time. Prints how each
 * ended, and the digests of the weights.
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

interface Training {
  readonly outcome: string;
  readonly steps: number;
  readonly digest: string;
}

/** @param enough whether training may be aborted after so many steps, `delay` milliseconds later */
async function train(enough: (step: number) => boolean, delay?: number): Promise<Training> {
  const controller = new AbortController();
  const trainer = smallTrainer(net());
  let steps = 0;
  const onSteps = (step: number): void => {
    steps = step;
    if (!enough(step)) return;
    if (delay === undefined) controller.abort();
    else setTimeout(() => controller.abort(), delay);
  };
  const outcome = await trainer
    .fit(await someGlyphs(), {
      epochs: 100_000,
      batchSize: 32,
      signal: controller.signal,
      callbacks: [{ everySteps: 1, onSteps }],
    })
    .then(
      () => 'finished',
      (error: unknown) => (error as Error).name,
    );
  return { outcome, steps, digest: await weightsDigest(trainer.model) };
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
  const workers = Array.from(counts, (_, slot) => new Worker(__filename, { workerData: { counts, slot } }));
  while (counts.some((count) => count < 3)) await new Promise((resolve) => setTimeout(resolve, 5));
  const before = predicted();
  const together = await train((step) => step >= STEPS && predicted() > before);
  const amid = await train((step) => step >= STEPS, 2);
  for (const worker of workers) await worker.terminate();
  const alone = await train((step) => step === together.steps);
  console.log(JSON.stringify({ together, amid, alone }));
  process.exit(0);
}

const { counts, slot } = (workerData ?? {}) as { counts: Int32Array; slot: number };
void (isMainThread ? main() : serve(counts, slot));
