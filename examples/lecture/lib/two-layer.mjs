/** The lecture's net of two layers with 50 hidden units, and the recipe that it is trained by. */
import { data, losses, nn, NonFiniteError, optim, schedules, Trainer } from 'tenon';

const [HIDDEN, BATCH] = [50, 100];

/**
 * Trains by SGD with momentum on batches that are drawn with replacement, a rate that falls by a tenth in
 * each epoch, and an L2 penalty on the weights. Reports the loss on the validation set before the first epoch
 * and after each: `tune.diverged` compares with the first. Notes the accuracy there as `val_acc`.
 * @returns the trainer, and the loss and accuracy after the last epoch
 */
export async function trainTwoLayer({ lr, reg }, trial, { train, validation, inputTransform, epochs }) {
  const inputs = train.inputShape.reduce((a, b) => a * b);
  const model = nn.sequential(
    nn.flatten(),
    nn.linear(inputs, HIDDEN),
    nn.relu(),
    nn.linear(HIDDEN, train.classNames.length),
  );
  const trainer = new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr, momentum: 0.9, weightDecay: reg, groups: [optim.noDecay()] }),
    schedule: schedules.exponential({ gamma: 0.9 }),
    inputTransform,
    seed: trial.number,
  });
  const record = async (epoch, loss, accuracy) => {
    await trial.note('val_acc', accuracy);
    await trial.report(epoch, loss);
  };
  let { loss, accuracy } = await trainer.evaluate(validation);
  await record(0, loss, accuracy);
  const sampler = data.weightedRandomSampler({ weights: new Float32Array(train.length).fill(1) });
  let epoch = 0;
  const stop = new AbortController();
  const settings = { epochs, batchSize: BATCH, sampler, validation, signal: stop.signal };
  try {
    for await (const event of trainer.fit(train, settings))
      if (event.type === 'epoch') {
        ({ epoch, validationLoss: loss, validationAccuracy: accuracy } = event);
        await record(epoch, loss, accuracy);
      }
  } catch (error) {
    // A step whose loss is not finite is not taken.
    if (error instanceof NonFiniteError) await record(epoch + 1, NaN, accuracy);
    throw error;
  } finally {
    // Leaving the loop, as a rule that stops the trial does, would not end the training.
    stop.abort();
  }
  return { trainer, loss, accuracy };
}
