// @ts-check
/**
 * `npm run train`: a model to begin with, of the digits that come with tenon, and an image for it. Takes
 * half a minute.
 */
import sharp from 'sharp';
import { data, losses, nn, optim, progress, Trainer } from 'tenon';

const { train, test } = await data.glyphs();

// prettier-ignore
const model = nn.sequential(
  nn.conv2d(1, 16, { kernel: 3, padding: 1, bias: false }), nn.batchNorm2d(16), nn.relu(), nn.maxPool2d(2),
  nn.conv2d(16, 32, { kernel: 3, padding: 1 }), nn.relu(), nn.maxPool2d(2),
  nn.flatten(), nn.linear(32 * 7 * 7, 64), nn.relu(), nn.linear(64, 10),
);
const trainer = new Trainer(model, {
  loss: losses.crossEntropy(),
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
  seed: 1,
});
await trainer.fit(train, { epochs: 2, batchSize: 128, callbacks: [progress()] });
const { accuracy = 0 } = await trainer.evaluate(test);
await model.save(process.env.MODEL_FILE ?? 'model.safetensors');

const { pixels, shape } = await test.image(7); // the classes come in turn: a 7
await sharp(pixels, { raw: { height: shape[0], width: shape[1], channels: 1 } })
  .png()
  .toFile('glyph-7.png');
console.log(`saved a model that names ${(100 * accuracy).toFixed(1)}% of the test images, and glyph-7.png`);
