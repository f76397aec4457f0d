/** What a user does first: a small network on the embedded data set. Copied into the folder of a user. */
import { createHash } from 'node:crypto';

/** @returns losses of the epochs, SHA-256 of the weights, and what tenon says of itself */
export async function train({ data, info, losses, nn, optim, Trainer }, [examples, batchSize]) {
  const { train: glyphs } = await data.glyphs();
  const model = nn.sequential(
    nn.conv2d(1, 8, { kernel: 5, padding: 2 }),
    nn.batchNorm2d(8),
    nn.relu(),
    nn.maxPool2d(2),
    nn.conv2d(8, 16, { kernel: 5 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(16 * 5 * 5, 10),
  );
  const loss = losses.crossEntropy();
  const trainer = new Trainer(model, { loss, optimizer: optim.sgd({ lr: 0.05, momentum: 0.9 }), seed: 1 });
  const few = glyphs.take(Number(examples));
  const history = await trainer.fit(few, { epochs: 3, batchSize: Number(batchSize) });
  const weights = createHash('sha256')
    .update(await model.toBuffer())
    .digest('hex');
  return { losses: history.epochs.map(({ trainLoss }) => trainLoss), weights, info: info() };
}
