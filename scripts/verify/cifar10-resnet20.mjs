/** The recipe of the checks of augmentation: resnet20 on CIFAR-10. */
import { augment, losses, models, optim, schedules, Trainer } from 'tenon';

export const cropAndFlip = () => [augment.randomCrop(32, { padding: 4 }), augment.flip()];

/** Test accuracy after training with a list of augmentations. */
export async function accuracyOf({ train, test }, list, { epochs, seed }) {
  const trainer = new Trainer(models.resnet20(), {
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 }),
    schedule: schedules.cosine(),
    augment: list,
    seed,
  });
  await trainer.fit(train, { epochs, batchSize: 128 });
  return (await trainer.evaluate(test)).accuracy;
}
