/** The bits of the weights do not depend on the number of threads. */
import { childScript, findData, lastLine, succeed } from './process.mjs';
import { check } from './report.mjs';

const goal = 'resnet20, the same SHA-256 of the weights with 1, 2, 4, 8, 16 and 64 threads';

await check('threads', goal, { steps: 100, batch: 128 }, async ({ steps, batch }) => {
  const runs = [];
  for (const threads of [1, 2, 4, 8, 16, 64]) {
    const args = ['--steps', steps, '--batch', batch, '--threads', threads].map(String);
    const child = await succeed([childScript('resnet20.mjs'), ...args]);
    runs.push({ asked: threads, seconds: child.seconds, ...lastLine(child) });
  }
  const same = runs.every(
    (run) => run.done === steps && run.threads === run.asked && run.digest === runs[0].digest,
  );
  const digests = same ? runs.slice(0, 1) : runs;
  return {
    pass: same,
    figure: `${steps} steps: ${digests.map(({ digest }) => digest.slice(0, 16)).join(', ')}`,
    details: { runs, images: findData('cifar10') === undefined ? 'random' : 'CIFAR-10' },
  };
});
