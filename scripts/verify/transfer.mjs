/**
 * When transfer pays: little and much data, for a task like the one that a network was trained for (MNIST 0
 * to 4, then 5 to 9) and for another one (CIFAR-10, then MNIST). From scratch; a linear classifier on the
 * features of each stage; fine-tuning the head and the last stage, or everything. The table has test
 * accuracies, means over seeds, which also draw the examples.
 */
import { data, losses, nn, optim, schedules, Trainer } from 'tenon';
import { requireData } from './process.mjs';
import { check, percent } from './report.mjs';

/** MNIST comes in the form of CIFAR-10, so that one network takes both. */
const SIDE = 32;
const STAGES = ['stage1', 'stage2', 'stage3'];
const WIDTHS = [16, 32, 64];
const COUNTS = [10, 100, 1000];
const BATCH = 64;
const momentum = 0.9;
/**
 * The better of 0.02 and 0.05 for each at 100 digits a class: trained weights are larger, so that behind
 * batch norm the same rate changes them less.
 */
const RATES = { scratch: 0.02, fineTuning: 0.05 };

function makeNet(classes, seed) {
  const conv = (from, to) => [
    nn.conv2d(from, to, { kernel: 3, padding: 1, bias: false }),
    nn.batchNorm2d(to),
    nn.relu(),
  ];
  const stages = WIDTHS.map((width, i) => {
    const layers = [...conv(WIDTHS[i - 1] ?? 3, width), ...conv(width, width), nn.maxPool2d(2)];
    return [STAGES[i], nn.sequential(...layers)];
  });
  const size = WIDTHS.at(-1) * (SIDE / 8) ** 2;
  const model = nn.namedSequential({
    ...Object.fromEntries(stages),
    flatten: nn.flatten(),
    fc: nn.linear(size, classes),
  });
  return model.initialize({ seed });
}

/** Grey images of 28 by 28 pixels as R G B of 32 by 32, with zeros around them. */
async function asColour(set) {
  const { inputs } = await set.rows();
  const [side, margin] = [28, (SIDE - 28) / 2];
  const images = new Uint8Array(set.length * SIDE * SIDE * 3);
  for (let i = 0; i < inputs.length; i++) {
    const [row, column] = [Math.floor(i / side), i % side];
    const [image, line] = [Math.floor(row / side), row % side];
    const at = ((image * SIDE + line + margin) * SIDE + column + margin) * 3;
    images.fill(inputs[i], at, at + 3);
  }
  const { labels, classNames } = set;
  return data.fromArrays({ images, labels, shape: [SIDE, SIDE, 3], classNames });
}

/** Trains for about `steps` steps. */
async function train(
  model,
  set,
  { steps, lr, seed, optimizer = optim.sgd({ lr, momentum, weightDecay: 5e-4 }) },
) {
  const batchSize = Math.min(BATCH, Math.ceil(set.length / 2));
  const epochs = Math.ceil((steps * batchSize) / set.length);
  const schedule = schedules.warmup(Math.ceil(steps / 20), schedules.cosine());
  const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer, schedule, seed });
  await trainer.fit(set, { epochs, batchSize });
  return trainer;
}

const accuracyOf = async (trainer, test) => (await trainer.evaluate(test, { batchSize: 256 })).accuracy;

/** The accuracies of one task with one set of examples: a row of the table. */
async function compare({ base, few, test, featuresOf }, { steps, seed }) {
  const classes = few.classNames.length;
  const row = {};
  const scratch = await train(makeNet(classes, seed), few, { steps, lr: RATES.scratch, seed });
  row.scratch = await accuracyOf(scratch, test);
  for (const at of STAGES) {
    const set = await nn.extractFeatures(base, few, { at, batchSize: 256 });
    const size = set.inputShape.reduce((n, d) => n * d, 1);
    const linear = nn.sequential(nn.flatten(), nn.linear(size, classes)).initialize({ seed });
    const optimizer = optim.adam({ lr: 1e-3, weightDecay: 1e-4 });
    const trainer = await train(linear, set, { steps, seed, optimizer });
    row[`linear ${at}`] = await accuracyOf(trainer, await featuresOf(at));
    set.dispose();
  }
  for (const [name, freeze] of [
    ['fine-tune last', ['stage1', 'stage2']],
    ['fine-tune all', []],
  ]) {
    const model = (await nn.load(await base.toBuffer())).replaceHead(makeNet(classes, seed).stages.fc);
    if (freeze.length > 0) model.freeze(...freeze);
    row[name] = await accuracyOf(await train(model, few, { steps, lr: RATES.fineTuning, seed }), test);
  }
  return row;
}

const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

async function table(tasks, { steps, seeds, most }) {
  const rows = [];
  for (const { name, base, train: examples, test } of tasks) {
    // Computed once, and not kept longer than they are needed.
    const features = new Map();
    const featuresOf = async (at) => {
      if (!features.has(at)) features.set(at, await nn.extractFeatures(base, test, { at, batchSize: 256 }));
      return features.get(at);
    };
    for (const count of COUNTS.filter((each) => each <= most)) {
      const found = [];
      for (let seed = 1; seed <= seeds; seed++) {
        const few = await drawn(examples, count, seed);
        found.push(await compare({ base, few, test, featuresOf }, { steps, seed }));
      }
      const methods = Object.keys(found[0]);
      const spread = (method) => found.map((row) => row[method]);
      rows.push({
        ...{ task: name, count },
        means: Object.fromEntries(methods.map((method) => [method, meanOf(spread(method))])),
        all: Object.fromEntries(methods.map((method) => [method, spread(method)])),
      });
    }
    for (const set of features.values()) set.dispose();
  }
  return rows;
}

/** `count` examples of each class. */
function drawn(set, count, seed) {
  const ofClass = (label) => set.filter((sample) => sample.label === label).sample(count, { seed });
  return data.concat(set.classNames.map((_, label) => ofClass(label)));
}

/** Both tasks, each with a network that was trained for what it is to transfer from. */
async function tasksOf({ baseSteps, samples }) {
  const mnist = await data.mnist({ dir: requireData('mnist') });
  const digits = { train: await asColour(mnist.train), test: await asColour(mnist.test) };
  const cifar = await data.cifar10({ dir: requireData('cifar10') });
  const [lower, upper] = [digits.train.classNames.slice(0, 5), digits.train.classNames.slice(5)];
  const baseOf = async (set) => {
    const model = makeNet(set.classNames.length, 0);
    await train(model, set.take(samples), { steps: baseSteps, lr: 0.05, seed: 0 });
    return model;
  };
  const similar = { train: digits.train.selectClasses(upper), test: digits.test.selectClasses(upper) };
  return [
    {
      name: 'MNIST 0-4 to 5-9',
      base: await baseOf(digits.train.selectClasses(lower)),
      ...similar,
    },
    { name: 'CIFAR-10 to MNIST', base: await baseOf(cifar.train), ...digits },
  ];
}

function print(rows) {
  const methods = Object.keys(rows[0].means);
  console.log(`| task | examples per class | ${methods.join(' | ')} |`);
  console.log(`|---|---|${'---|'.repeat(methods.length)}`);
  for (const { task, count, means } of rows)
    console.log(`| ${task} | ${count} | ${methods.map((m) => percent(means[m], 1)).join(' | ')} |`);
}

/** The best accuracy without training all layers from nothing, and how. */
function bestTransfer({ means }) {
  const others = Object.entries(means).filter(([method]) => method !== 'scratch');
  return others.reduce((best, each) => (each[1] > best[1] ? each : best));
}

const goal =
  'with the fewest examples the best transfer is above training from scratch in both tasks; with the most, fine-tuning everything is at most 1% below it';
const defaults = { steps: 300, baseSteps: 4000, samples: 50_000, seeds: 3, most: 1000 };

await check('transfer', goal, defaults, async (settings) => {
  const rows = await table(await tasksOf(settings), settings);
  print(rows);
  const ends = [...new Set(rows.map(({ task }) => task))].map((name) => {
    const own = rows.filter(({ task }) => task === name);
    return [own[0], own.at(-1)];
  });
  const pass = ends.every(
    ([few, many]) =>
      bestTransfer(few)[1] > few.means.scratch && many.means['fine-tune all'] > many.means.scratch - 0.01,
  );
  const figures = ends.map(([few]) => {
    const [method, accuracy] = bestTransfer(few);
    return `${few.task}, ${few.count} a class: ${percent(few.means.scratch, 1)} from scratch, ${percent(accuracy, 1)} by ${method}`;
  });
  return { pass, figure: figures.join('; '), details: { rows } };
});
