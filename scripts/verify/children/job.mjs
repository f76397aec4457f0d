/**
 * A whole job, as a user does it: `FOLDER IMAGE_SIZE EPOCHS BATCH DIRECTORY`. Opens an image folder, trains
 * resnet20 on it, evaluates, saves, loads and predicts. Prints what each phase took as JSON, and what was
 * measured beside the job.
 */
import { join } from 'node:path';
import { augment, checkpoint, data, load, losses, models, optim, schedules, Trainer } from 'tenon';
import { Phases } from './phases.mjs';

const [dir, size, epochs, batch, directory] = process.argv.slice(2);
const imageSize = Number(size);
const batchSize = Number(batch);
const phases = await Phases.begin();

const train = await phases.measure('open the training set', () =>
  data.folder({ dir, split: 'train', imageSize }),
);
const test = await phases.measure('open the test set', () =>
  data.folder({ dir, split: 'test', imageSize, classNames: train.classNames }),
);
const model = await phases.measure('make the model', async () =>
  models.resnet20({ classes: train.classNames.length }),
);
const trainer = new Trainer(model, {
  loss: losses.crossEntropy(),
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4 }),
  schedule: schedules.cosine(),
  augment: [augment.flip(), augment.randomCrop(imageSize, { padding: 4 })],
});

/** Ends a phase where the first step, and each epoch, ends. */
const callback = {
  onEvent: async ({ type, step, epoch }) => {
    if (type === 'step' && step === 1) await phases.next('epoch 1, after its first step');
    if (type === 'epoch')
      await phases.next(epoch < Number(epochs) ? `epoch ${epoch + 1}` : 'end of training');
  },
};
await phases.next('first step');
await trainer.fit(train, { epochs: Number(epochs), batchSize, callbacks: [callback] });
await phases.end();

await phases.measure('evaluation, the first', () => trainer.evaluate(test, { batchSize }));
await phases.measure('evaluation, again', () => trainer.evaluate(test, { batchSize }));
const saving = checkpoint(join(directory, 'checkpoint'), { everySteps: 1 });
await phases.measure('two steps more, each with a checkpoint', () =>
  trainer.fit(train, { epochs: 1, maxSteps: 2, batchSize, callbacks: [saving] }),
);
const file = join(directory, 'model.safetensors');
await phases.measure('save', () => model.save(file));
const loaded = await phases.measure('load', () => load(file));
const { pixels } = await test.image(0);
await phases.measure('predict, the first', () => loaded.predict(pixels));
await phases.measure('predict, again', () => loaded.predict(pixels));
const before = phases.count;
await phases.measure('decode all images now (onError: skip)', () =>
  data.folder({ dir, split: 'train', imageSize, onError: 'skip' }),
);
const all = await phases.close();
console.log(JSON.stringify({ phases: all.slice(0, before), beside: all.slice(before) }));
