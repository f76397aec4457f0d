/**
 * The table of the slides "Transfer learning": little and more data, for a task like the one that a net was
 * trained for (MNIST 0 to 4, then 5 to 9) and for another one (CIFAR-10, then MNIST). From scratch; a linear
 * classifier on the features of each stage; fine-tuning the last stage, or all. `npm run verify:transfer` is
 * the same at length.
 */
import { data, losses, nn, optim, schedules, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { colourImages, digits } from './lib/images.mjs';
import { deviation, mean } from './lib/numbers.mjs';

const [SIDE, WIDTHS, BATCH, STEPS, TESTED, SEEDS] = [32, [12, 24, 48], 32, 150, 1000, [1, 2, 3]];
const STAGES = ['stage1', 'stage2', 'stage3'];
const COUNTS = [10, 100];

function network(classes, seed) {
  const stages = WIDTHS.map((width, i) => [
    STAGES[i],
    nn.sequential(
      nn.conv2d(WIDTHS[i - 1] ?? 3, width, { kernel: 3, padding: 1, bias: false }),
      nn.batchNorm2d(width),
      nn.relu(),
      nn.maxPool2d(2),
    ),
  ]);
  const head = nn.linear(WIDTHS.at(-1) * (SIDE / 8) ** 2, classes);
  return nn
    .namedSequential({ ...Object.fromEntries(stages), flatten: nn.flatten(), fc: head })
    .initialize({ seed });
}

/** Images as R G B of 32 by 32, with black around them. */
async function asColour(set) {
  const [channels, side] = set.inputShape;
  const margin = Math.floor((SIDE - side) / 2);
  const images = new Uint8Array(set.length * SIDE * SIDE * 3);
  for (let n = 0; n < set.length; n++) {
    const { pixels } = await set.image(n);
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++)
        for (let c = 0; c < 3; c++)
          images[((n * SIDE + y + margin) * SIDE + x + margin) * 3 + c] =
            pixels[(y * side + x) * channels + Math.min(c, channels - 1)];
  }
  return data.fromArrays({ images, labels: set.labels, shape: [SIDE, SIDE, 3], classNames: set.classNames });
}

async function train(
  model,
  set,
  { steps, seed, optimizer = optim.sgd({ lr: 0.02, momentum: 0.9, weightDecay: 5e-4 }) },
) {
  const trainer = new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer,
    schedule: schedules.cosine(),
    seed,
  });
  await trainer.fit(set, { epochs: Math.ceil((steps * BATCH) / set.length), batchSize: BATCH });
  return trainer;
}
const accuracyOf = async (trainer, test) => 100 * (await trainer.evaluate(test)).accuracy;

/** The accuracies on one set of examples by method. */
async function compare({ base, test, features }, few, seed) {
  const classes = few.classNames.length;
  const found = {
    scratch: await accuracyOf(await train(network(classes, seed), few, { steps: STEPS, seed }), test),
  };
  for (const at of STAGES) {
    const set = await nn.extractFeatures(base, few, { at });
    const size = set.inputShape.reduce((a, b) => a * b);
    const linear = nn.sequential(nn.flatten(), nn.linear(size, classes)).initialize({ seed });
    const optimizer = optim.adam({ lr: 1e-3, weightDecay: 1e-4 });
    found[`linear, ${at}`] = await accuracyOf(
      await train(linear, set, { steps: STEPS, seed, optimizer }),
      features[at],
    );
    set.dispose();
  }
  for (const [method, frozen] of [
    ['tune last', ['stage1', 'stage2']],
    ['tune all', []],
  ]) {
    const model = (await nn.load(await base.toBuffer())).replaceHead(network(classes, seed).stages.fc);
    if (frozen.length > 0) model.freeze(...frozen);
    found[method] = await accuracyOf(await train(model, few, { steps: STEPS, seed }), test);
  }
  return found;
}

/** `count` examples of each class. */
const drawn = (set, count, seed) =>
  data.concat(set.classNames.map((_, k) => set.filter(({ label }) => label === k).sample(count, { seed })));

const mnist = await digits(8000, 2000);
const all = { train: await asColour(mnist.train), test: await asColour(mnist.test) };
const colour = await colourImages(6000);
const [lower, upper] = [all.train.classNames.slice(0, 5), all.train.classNames.slice(5)];
const baseOf = async (set, steps) => {
  const model = network(set.classNames.length, 0);
  await train(model, set, { steps, seed: 0 });
  return model;
};
const tasks = [
  {
    title: `${mnist.name} 0-4 to 5-9`,
    base: await baseOf(all.train.selectClasses(lower), 300),
    examples: all.train.selectClasses(upper),
    test: all.test.selectClasses(upper).take(TESTED),
  },
  {
    title: `${colour.name} to ${mnist.name}`,
    base: await baseOf(await asColour(colour.set), 1200),
    examples: all.train,
    test: all.test.sample(TESTED, { seed: 1 }),
  },
];

const results = [];
for (const { title, base, examples, test } of tasks) {
  const features = {};
  for (const at of STAGES) features[at] = await nn.extractFeatures(base, test, { at });
  for (const count of COUNTS) {
    const found = [];
    for (const seed of SEEDS) {
      const few = await drawn(examples, count, seed);
      found.push(await compare({ base, test, features }, few, seed));
    }
    results.push({ title, count, found });
  }
}
const methods = Object.keys(results[0].found[0]);
const of = ({ found }, method) => found.map((row) => row[method]);
console.log(`accuracy, %, mean and deviation of ${SEEDS.length} seeds; ${STEPS} steps`);
table(
  ['task', 'examples per class', ...methods],
  results.map((each) => [
    each.title,
    each.count,
    ...methods.map(
      (method) => `${mean(of(each, method)).toFixed(1)} ± ${deviation(of(each, method)).toFixed(1)}`,
    ),
  ]),
);

const panel = ({ title }) => {
  const rows = results.filter((each) => each.title === title);
  return {
    title,
    x: { label: 'examples per class', names: COUNTS.map(String) },
    y: { label: 'accuracy, %', min: 70, max: 100 },
    series: methods.map((method) => ({
      name: method,
      kind: 'bar',
      gap: 20,
      points: rows.map((each) => mean(of(each, method))),
    })),
  };
};
draw('transfer', 'Transfer to a similar and to a different task', [tasks.map(panel)]);
