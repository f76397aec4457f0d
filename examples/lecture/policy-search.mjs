/**
 * Policy search by reinforcement (slides "Data augmentation": AutoAugment), in small. First with a reward
 * whose optimum is known and costs nothing; then over children that train on a few upright digits and are
 * judged by turned and moved ones, so that it is known which operations should help.
 */
import { augment, data, losses, nn, optim, Trainer, tune } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { digits } from './lib/images.mjs';
import { deviation, mean, uniform } from './lib/numbers.mjs';
import { drawPictures, png } from './lib/pictures.mjs';

const WINDOW = 10;
const smooth = (values) =>
  values.map((_, i) => [i + 1, mean(values.slice(Math.max(0, i + 1 - WINDOW), i + 1))]);

/** Ten operations of 16, of which 4 are good: the reward is the share of good ones. */
const [PROPOSALS, OPERATIONS, GOOD, PLACES] = [300, 16, 4, 10];
function known() {
  const decisions = Array.from({ length: PLACES }, () => ({ kind: 'operation', choices: OPERATIONS }));
  const search = tune.reinforce(decisions, { seed: 1 });
  const reward = (choices) => choices.filter((choice) => choice < GOOD).length / PLACES;
  const draws = uniform(1);
  const [learned, random] = [[], []];
  for (let i = 0; i < PROPOSALS; i++) {
    learned.push(reward(search.suggest()));
    search.tell(learned.at(-1));
    random.push(reward(decisions.map(() => Math.floor(draws() * OPERATIONS))));
  }
  search.dispose();
  return { learned, random };
}
const cheap = known();
const last = (values) => mean(values.slice(-50));
console.log(
  `known reward, last 50 of ${PROPOSALS} proposals: ${last(cheap.learned).toFixed(3)}; random ones ${last(cheap.random).toFixed(3)}; the best is 1`,
);
if (last(cheap.learned) < 0.9) throw new Error('the controller did not find the known optimum');

const [COUNT, HELD, EPOCHS, CHILDREN, SEEDS] = [300, 1000, 15, 240, [1, 2, 3]];
const MOVING = ['ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate'];
const { name, train, test } = await digits(COUNT + HELD, HELD);
const [few, others] = train.split([COUNT, HELD], { seed: 1 });
const [channels, height, width] = train.inputShape;

/** A set whose images are turned by up to 30 degrees and moved by up to a seventh. */
async function moved(set) {
  const images = [];
  for (let i = 0; i < set.length; i++) images.push((await set.image(i)).pixels);
  const shape = [set.length, height, width, channels];
  const list = [augment.rotate(30), augment.translate(1 / 7)];
  const { pixels } = await augment.apply(list, { pixels: Buffer.concat(images), shape }, { seed: 1 });
  return data.fromArrays({
    images: pixels,
    labels: set.labels,
    shape: [height, width, channels],
    classNames: set.classNames,
  });
}
const [validation, held] = [await moved(others), await moved(test)];

const model = () =>
  nn.sequential(
    nn.conv2d(channels, 8, { kernel: 3, stride: 2, padding: 1 }),
    nn.relu(),
    nn.conv2d(8, 16, { kernel: 3, stride: 2, padding: 1 }),
    nn.relu(),
    nn.flatten(),
    nn.linear(16 * Math.ceil(height / 4) * Math.ceil(width / 4), 10),
  );
const optimizer = () => optim.adam({ lr: 2e-3 });
const batchSize = 50;
const search = tune.augmentationPolicy({
  train: few,
  validation,
  model,
  optimizer,
  epochs: EPOCHS,
  batchSize,
  children: CHILDREN,
  seed: 1,
});
const begun = performance.now();
for await (const child of search) void child;
const seconds = (performance.now() - begun) / 1000;

/** The share of a policy's operations that move pixels. */
const movingShare = (policy) =>
  mean(policy.flat().map(([operation]) => (MOVING.includes(operation) ? 1 : 0)));
const accuracies = search.children.map(({ accuracy }) => 100 * accuracy);
const shares = search.children.map(({ policy }) => 100 * movingShare(policy));

/** Accuracies on held-out moved digits, trained anew. */
async function retrained(listOf) {
  const found = [];
  for (const seed of SEEDS) {
    const trainer = new Trainer(model(), {
      loss: losses.crossEntropy(),
      optimizer: optimizer(),
      augment: listOf(seed),
      seed,
    });
    await trainer.fit(few, { epochs: 2 * EPOCHS, batchSize });
    found.push(100 * (await trainer.evaluate(held)).accuracy);
  }
  return found;
}
const policies = {
  none: () => [],
  'random policies': (seed) => [augment.policy(tune.randomPolicy({ seed }))],
  'found policy': () => [augment.policy(search.best(5))],
  'turns and moves, as in the test': () => [augment.rotate(30), augment.translate(1 / 7)],
};
const results = {};
for (const [label, listOf] of Object.entries(policies)) results[label] = await retrained(listOf);

const percent = (value) => `${value.toFixed(1)}%`;
const best = search.best(1);
console.log(
  `\n${CHILDREN} children on ${COUNT} images of ${name}, ${seconds.toFixed(0)} s; mean accuracy of the first ten ${percent(mean(accuracies.slice(0, 10)))}, of the last ten ${percent(mean(accuracies.slice(-10)))}, best ${percent(Math.max(...accuracies))}`,
);
console.log(
  `operations that move pixels: ${percent(mean(shares.slice(0, 10)))} of the first ten, ${percent(mean(shares.slice(-10)))} of the last ten, ${percent(100 * movingShare(search.best(5)))} of the five best`,
);
table(
  [`${2 * EPOCHS} epochs, moved digits`, 'accuracy', 'deviation of seeds'],
  Object.entries(results).map(([label, all]) => [label, percent(mean(all)), deviation(all).toFixed(1)]),
);

draw('policy-search', 'Policy search by reinforcement', [
  [
    {
      title: `reward with a known optimum, mean of ${WINDOW}`,
      x: { label: 'proposal' },
      y: { label: 'reward', min: 0, max: 1 },
      series: [
        { name: 'reinforcement', points: smooth(cheap.learned) },
        { name: 'random', points: smooth(cheap.random) },
      ],
    },
    {
      title: `${CHILDREN} children: ${COUNT} images of ${name}`,
      x: { label: 'child' },
      y: { label: 'accuracy on moved digits, %' },
      series: [
        { name: 'child', kind: 'scatter', points: accuracies.map((each, i) => [i + 1, each]) },
        { name: `mean of ${WINDOW} children`, points: smooth(accuracies) },
      ],
    },
  ],
]);

const image = await few.image(0);
const picture = ({ pixels }) =>
  png(
    Float32Array.from(pixels, (value) => value / 255),
    [channels, height, width],
  );
const rows = [];
for (const steps of best) {
  const list = [augment.policy([steps])];
  const pictures = [await picture(image)];
  for (let epoch = 0; epoch < 7; epoch++)
    pictures.push(await picture(await augment.apply(list, image, { seed: 1, epoch })));
  rows.push({ label: steps.map((step) => step.join(' ')).join('\n'), pictures });
}
drawPictures('found-policy', "The best child's policy: operation, probability, magnitude", rows);
