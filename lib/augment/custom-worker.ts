/** The program of a worker thread: takes images through the function of a user's module. */
import { parentPort, workerData } from 'node:worker_threads';
import { defaultFunction } from '../files/modules';
import { messageOf } from '../options';
import { changeImages, ImageFault, type CustomFunction } from './custom-images';
import type { FromWorker, ToWorker, WorkerStart } from './custom-messages';

const start = workerData as WorkerStart;

function send(message: FromWorker): void {
  parentPort?.postMessage(message);
}

async function change(fn: CustomFunction, { begun, ...images }: ToWorker): Promise<void> {
  try {
    await changeImages(fn, images, () => Atomics.add(begun, 0, 1));
    send({ type: 'done' });
  } catch (error) {
    const index = error instanceof ImageFault ? error.index : 0;
    const { cause } = error as ImageFault;
    const stack = cause instanceof Error ? cause.stack : undefined;
    send({ type: 'failed', index, problem: messageOf(error), ...(stack !== undefined && { stack }) });
  }
}

async function work(): Promise<void> {
  const fn = (await defaultFunction(start.module)) as CustomFunction;
  let last = Promise.resolve();
  // Listening keeps the worker alive; one whose module waits for nothing that can come ends before.
  parentPort?.on('message', (images: ToWorker) => {
    last = last.then(() => change(fn, images));
  });
  send({ type: 'loaded' });
}

work().catch((error: unknown) => send({ type: 'broken', problem: messageOf(error) }));
