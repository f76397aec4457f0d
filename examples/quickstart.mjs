import { augment, data, losses, nn, optim, progress, schedules, Trainer } from 'tenon';

const { train, test } = await data.glyphs();
const [fit, held] = train.split([11_000, 1_000], { seed: 1 });

// prettier-ignore
const model = nn.sequential(
  nn.conv2d(1, 16, { kernel: 3, padding: 1, bias: false }), nn.batchNorm2d(16), nn.relu(), nn.maxPool2d(2),
  nn.conv2d(16, 32, { kernel: 3, padding: 1 }), nn.relu(), nn.maxPool2d(2),
  nn.flatten(), nn.linear(32 * 7 * 7, 64), nn.relu(), nn.dropout(0.3), nn.linear(64, 10),
);
const trainer = new Trainer(model, {
  loss: losses.crossEntropy({ labelSmoothing: 0.1 }),
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 }),
  schedule: schedules.warmup(50, schedules.cosine()),
  augment: [augment.randomCrop(28, { padding: 1 })],
  seed: 42,
});
await trainer.fit(fit, { epochs: 3, batchSize: 128, validation: held, callbacks: [progress()] });
console.log(await trainer.evaluate(test)); // { loss, accuracy }
await model.save('glyphs.safetensors');
