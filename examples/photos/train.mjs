/** Learns to tell classes of photographs: node train.mjs PHOTOS --pretrained lite0.safetensors */
import { parseArgs } from 'node:util';
import { augment, earlyStopping, losses, models, nn, optim, progress, schedules, Trainer } from 'tenon';
import { openPhotos } from './look.mjs';
import { report } from './report.mjs';

const USAGE =
  'usage: node train.mjs PHOTOS [--pretrained FILE] [--size N] [--epochs N] [--seed N] [--out FILE]';
const BATCH = 16;
/** Where the network's features are 1280 channels, before the pooling. */
const FEATURES = { at: 'act2', pool: 'average', batchSize: BATCH };
/** All but batch norm's statistics, which few photographs would estimate worse than ImageNet did. */
const WEIGHTS = /\.(weight|bias)$/;

/** A network that has learned ImageNet. Its head is trained first, on features that are computed once. */
async function pretrained({ file, size, sets, loss, seed }) {
  const model = await models.efficientnetLite0().load(file, { names: models.efficientnetPytorchNames });
  model.preprocessing = { ...models.imagenetInception, height: size, width: size };
  const head = nn.linear(1280, sets.train.classNames.length);
  const trainer = new Trainer(nn.sequential(head), { loss, optimizer: optim.adamw({ lr: 3e-3 }), seed });
  const held = await nn.extractFeatures(model, sets.held, FEATURES);
  await trainer.fit(await nn.extractFeatures(model, sets.train, FEATURES), {
    epochs: 50,
    batchSize: BATCH,
    validation: held,
    callbacks: [earlyStopping({ patience: 5 })],
  });
  const { accuracy } = await trainer.evaluate(held);
  console.log(`\nthe head alone: accuracy ${accuracy.toFixed(3)} on the photographs that are held out`);
  model.replaceHead(head).freeze().unfreeze(WEIGHTS);
  return {
    model,
    lr: 3e-4,
    groups: optim.layerwiseDecay(model, { factor: 0.85, groups: [optim.noDecay()] }),
  };
}

/** A small network that has learned nothing yet. */
function fresh({ sets, seed }) {
  console.log('\nwithout --pretrained FILE a small network learns from your photographs alone, and so');
  console.log('needs many of them; README.md says where to get pretrained weights');
  const model = models.cifarResnet20({ classes: sets.train.classNames.length, seed });
  return { model, lr: 3e-3, groups: [optim.noDecay()] };
}

async function main() {
  const names = ['pretrained', 'size', 'epochs', 'seed', 'out'];
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (positionals.length !== 1) throw new Error(USAGE);
  const { pretrained: file, out = 'photos.safetensors' } = values;
  const [size, epochs, seed] = [
    Number(values.size ?? (file === undefined ? 64 : 224)),
    Number(values.epochs ?? 20),
    Number(values.seed ?? 0),
  ];
  const { photos, groupOf, unbalanced } = await openPhotos(positionals[0], size);
  const { train, validation: held } = photos.holdOut(0.2, { seed, stratified: true, groups: groupOf });
  const sets = { train, held };
  const loss = losses.crossEntropy({ labelSmoothing: 0.1, ...(unbalanced && { classWeights: 'balanced' }) });
  if (unbalanced) console.log('classes are unbalanced: each counts as much as any other');
  const given = { file, size, sets, loss, seed };
  const { model, lr, groups } = file === undefined ? fresh(given) : await pretrained(given);
  const trainer = new Trainer(model, {
    loss,
    optimizer: optim.adamw({ lr, weightDecay: 0.01, groups }),
    schedule: schedules.warmup(10, schedules.cosine()),
    augment: [
      augment.randomResizedCrop(size, { scale: [0.4, 1] }),
      augment.flip(),
      augment.colorJitter({ brightness: 0.2, contrast: 0.2, saturation: 0.2 }),
    ],
    seed,
  });
  console.log(`\nall layers, on ${train.length} photographs; ${held.length} are held out:`);
  await trainer.fit(train, {
    epochs,
    batchSize: BATCH,
    validation: held,
    callbacks: [progress({ stream: process.stdout }), earlyStopping({ patience: 6 })],
  });
  await report(model, held);
  await model.save(out);
  console.log(`\nsaved ${out}: node predict.mjs ${out} IMAGE...`);
}

await main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
