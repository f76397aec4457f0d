/**
 * The policy search on CIFAR-10: children on a few thousand images; the found policy trained anew with
 * several seeds and judged on held-out images, beside random policies and none, all for as many epochs.
 *
 * Children are small, and begin with the weights of one that was trained on the same images without a
 * policy: in the few epochs of a child, new weights learn fastest without any augmentation, whatever it is
 * worth in the end. The check keeps what it has in runs/verify-policy-search until it ends, and goes on
 * there after an interruption.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { augment, data, losses, nn, optim, schedules, Trainer, tune } from 'tenon';
import { cropAndFlip } from './cifar10-resnet20.mjs';
import { remembered, requireData } from './process.mjs';
import { check, percent, root } from './report.mjs';

const WIDTHS = [16, 32, 64, 128];
const BATCH = 64;
/** Images that children are judged by. */
const JUDGED = 10_000;

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/** Four convolutions, 8 million operations an image, most of the weights where images are small. */
function network() {
  const block = (width, i) => [
    nn.conv2d(WIDTHS[i - 1] ?? 3, width, { kernel: 3, padding: 1, bias: false }),
    ...(i < 3 ? [nn.maxPool2d(2)] : []),
    nn.batchNorm2d(width),
    nn.relu(),
  ];
  const head = [nn.globalAvgPool2d(), nn.flatten(), nn.linear(WIDTHS.at(-1), 10)];
  return nn.sequential(...WIDTHS.flatMap(block), ...head);
}

const sgd = (lr) => optim.sgd({ lr, momentum: 0.9, nesterov: true, weightDecay: 5e-4 });

/** A network trained from the beginning with a list of augmentations. */
async function train(set, list, { epochs, seed }) {
  const trainer = new Trainer(network(), {
    loss: losses.crossEntropy(),
    optimizer: sgd(0.1),
    schedule: schedules.cosine(),
    augment: [...cropAndFlip(), ...list],
    seed,
  });
  await trainer.fit(set, { epochs, batchSize: BATCH });
  return trainer;
}

/** The search, and its minutes: those of all its children, also where it was interrupted. */
async function searchIn(folder, train, validation, start, { children, epochs }) {
  const search = tune.augmentationPolicy({
    train,
    validation,
    model: () => nn.load(start),
    optimizer: () => sgd(0.05),
    augment: cropAndFlip(),
    ...{ children, epochs, batchSize: BATCH },
    journal: join(folder, 'search.json'),
  });
  for await (const { number, accuracy, seconds } of search)
    console.log(`child ${number}: ${percent(accuracy)} in ${seconds.toFixed(1)} s`);
  return { search, minutes: search.children.reduce((sum, { seconds }) => sum + seconds, 0) / 60 };
}

/** Test accuracies of training anew, one a seed. */
async function trainAnew(folder, { train: images, test }, policies, { seeds, retrain }) {
  const results = {};
  let seconds = 0;
  for (const [name, listOf] of Object.entries(policies)) {
    results[name] = [];
    for (let seed = 1; seed <= seeds; seed++) {
      const run = await remembered(join(folder, `${name}-${seed}.json`), async () => {
        const begun = performance.now();
        const trainer = await train(images, listOf(seed), { epochs: retrain, seed });
        const { accuracy } = await trainer.evaluate(test);
        return { accuracy, seconds: (performance.now() - begun) / 1000 };
      });
      results[name].push(run.accuracy);
      seconds += run.seconds;
      console.log(`${name}, seed ${seed}: ${percent(run.accuracy)} in ${run.seconds.toFixed(1)} s`);
    }
  }
  return { results, minutes: seconds / 60 };
}

const goal = 'the found policy is better than none on held-out images, in the mean over seeds';
const defaults = { children: 100, epochs: 16, images: 4000, before: 80, seeds: 5, retrain: 120 };

await check('policy-search', goal, defaults, async (settings) => {
  const sets = await data.cifar10({ dir: requireData('cifar10') });
  const [images, validation] = sets.train.split([settings.images, JUDGED]);
  const kept = join(root, 'runs', 'verify-policy-search');
  const folder = join(kept, Object.entries(settings).flat().join('-'));
  mkdirSync(folder, { recursive: true });
  const { model } = await train(images, [], { epochs: settings.before, seed: 0 });
  const { search, minutes } = await searchIn(folder, images, validation, await model.toBuffer(), settings);
  const found = search.best(5);
  const policies = {
    none: () => [],
    random: (seed) => [augment.policy(tune.randomPolicy({ seed, subPolicies: found.length }))],
    found: () => [augment.policy(found)],
  };
  const anew = await trainAnew(folder, { train: images, test: sets.test }, policies, settings);
  const { results } = anew;
  const rewards = search.children.map(({ accuracy }) => accuracy);
  rmSync(kept, { recursive: true });
  const cells = Object.entries(results).map(([name, all]) => `${name} ${percent(mean(all))}`);
  const learned = `${percent(mean(rewards.slice(0, 10)))} to ${percent(mean(rewards.slice(-10)))}`;
  const time = `${rewards.length} children in ${minutes.toFixed(1)} min, training anew in ${anew.minutes.toFixed(1)}`;
  return {
    pass: mean(results.found) > mean(results.none),
    figure: `${cells.join(', ')}; ${time}; mean reward of ten children, first to last: ${learned}`,
    details: { results, found, rewards, minutes: { search: minutes, anew: anew.minutes } },
  };
});
