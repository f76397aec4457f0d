/**
 * One training in a process of its own, which the worker starts. The worker's first message says what to
 * train; its second, if there is one, to stop. What this process sends back is listed at `tell`.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpoint, losses, optim, Trainer } from 'tenon';
import { makeModel, openData } from './settings.mjs';

let stop = false;
let done = false;

/** `{ log }`, `{ progress }`, and at the end one of `{ result }`, `{ stopped }` and `{ error }`. */
const tell = (message) => new Promise((sent) => process.send(message, sent));

process.once('message', async (job) => {
  process.once('message', () => (stop = true));
  const end = await train(job).catch(({ code, message }) => ({ error: { code, message } }));
  await tell(end);
  done = true;
  process.disconnect();
});

// The worker is gone. Another one goes on from the last checkpoint, which this process must not write to.
process.once('disconnect', () => process.exit(done ? 0 : 1));
// Ctrl-C reaches all processes of a terminal. The worker decides what becomes of this one.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined);

async function train({ settings, folder }) {
  const { train: all, test } = await openData(settings);
  const [fit, validation] = all.split([all.length - Math.ceil(all.length / 10), Math.ceil(all.length / 10)], {
    seed: settings.seed,
  });
  const model = makeModel(settings, all.classNames.length);
  const trainer = new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.adam({ lr: settings.learningRate }),
    seed: settings.seed,
  });
  const checkpoints = join(folder, 'checkpoints');
  const resume = existsSync(join(checkpoints, 'latest')) ? checkpoints : undefined;
  const history = await trainer.fit(fit, {
    epochs: settings.epochs,
    batchSize: settings.batchSize,
    validation,
    callbacks: [checkpoint(checkpoints), reporting(), stopping(checkpoints)],
    resume,
  });
  if (history.stopped === 'told') return { stopped: true };
  const { loss, accuracy } = await trainer.evaluate(test);
  const file = join(folder, 'model.safetensors');
  await model.save(file);
  await writeFile(join(folder, 'history.json'), JSON.stringify(history, null, 2));
  const sha256 = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  return { result: { loss, accuracy, steps: history.steps, model: file, sha256 } };
}

/** Tells of each epoch, and of where a training that was interrupted goes on. */
function reporting() {
  let epochs = 0;
  return {
    async onEvent(event) {
      if (event.type === 'start') {
        ({ epochs } = event);
        await tell({ log: event.step === 0 ? 'began' : `went on after step ${event.step}` });
      }
      if (event.type === 'warning') await tell({ log: `warning: ${event.message}` });
      if (event.type !== 'epoch') return;
      const { epoch, step, trainLoss, validationLoss, validationAccuracy } = event;
      await tell({ progress: { epoch, epochs, step, trainLoss, validationLoss, validationAccuracy } });
    },
  };
}

/** Saves a checkpoint and ends the training when the worker says so. */
function stopping(checkpoints) {
  return {
    async onEvent(event, control) {
      if (!stop || !['start', 'step', 'epoch'].includes(event.type)) return;
      stop = false;
      control.stop('told');
      if (event.type !== 'start') await control.saveCheckpoint(checkpoints);
    },
  };
}
