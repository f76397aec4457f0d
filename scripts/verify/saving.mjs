/**
 * The small training that kill.mjs kills: in a child, and in its own process to go on from what
 * the child left.
 */
import { createHash } from 'node:crypto';
import { augment, checkpoint, data, losses, nn, optim, schedules, Trainer } from 'tenon';

const glyphs = data.glyphs({ trainCount: 203, testCount: 1 }).then(({ train }) => train);

/**
 * Trains `steps` steps with a checkpoint every `every` in `directory` and returns the SHA-256 of the weights.
 */
export async function trainSaving({ directory, steps, every, resume = false, onEvent = () => undefined }) {
  const model = nn.sequential(
    nn.conv2d(1, 4, { kernel: 3, padding: 1, stride: 2, bias: false }),
    nn.batchNorm2d(4),
    nn.relu(),
    nn.flatten(),
    nn.dropout(0.1),
    nn.linear(4 * 14 * 14, 10),
  );
  const trainer = new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr: 0.05, momentum: 0.9 }),
    schedule: schedules.cosine(),
    augment: [augment.randomCrop(28, { padding: 2 })],
    average: optim.ema(),
    seed: 3,
  });
  const saving = checkpoint(directory, { everySteps: every, keep: 2 });
  await trainer.fit(await glyphs, {
    epochs: 1000,
    maxSteps: steps,
    callbacks: [saving, { onEvent }],
    ...(resume && { resume: directory }),
  });
  return createHash('sha256')
    .update(await model.toBuffer())
    .digest('hex');
}
