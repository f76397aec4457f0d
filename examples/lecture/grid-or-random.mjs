/**
 * Grid against random search (slide of Bergstra & Bengio 2012, "Random search for hyper-parameter
 * optimization", figure 1): nine trials each, where one parameter, the learning rate, matters much, and the
 * other, the penalty, hardly at all. The grid tries three rates, random search nine.
 */
import { preprocess, tune } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { colourImages } from './lib/images.mjs';
import { uniform } from './lib/numbers.mjs';
import { trainTwoLayer } from './lib/two-layer.mjs';

const IMAGES = [5000, 1000];
const [SIDE, EPOCHS, REPEATS] = [3, 5, 12];
const [LR, REG] = [
  [-4, -1],
  [-7, -3],
];

const { set, name } = await colourImages(IMAGES[0] + IMAGES[1]);
const [train, validation] = set.split(IMAGES, { seed: 1 });
const parts = {
  train,
  validation,
  inputTransform: await preprocess.channelStandardize().fit(train),
  epochs: EPOCHS,
};
const space = {
  lr: tune.logUniform(...LR.map((e) => 10 ** e)),
  reg: tune.logUniform(...REG.map((e) => 10 ** e)),
};

/** The points of a search, with the accuracy when training ended or a rule stopped it. */
async function search(strategy) {
  const study = await tune.study(tune.memory(), { space, strategy, rules: [tune.diverged()] });
  const trials = [];
  const objective = async (params, trial) => (await trainTwoLayer(params, trial, parts)).loss;
  for await (const { params, state, attributes, notes } of study.run(objective, { trials: SIDE ** 2 })) {
    if (state === 'failed') throw new Error(notes['tenon:error']);
    trials.push({ ...params, accuracy: attributes.val_acc });
  }
  await study.close();
  return trials;
}

/** The middles of the range's thirds, moved together by a part of a third. */
const thirds = ([low, high], shift) =>
  Array.from({ length: SIDE }, (_, i) => 10 ** (low + ((high - low) * (i + 0.5 + shift)) / SIDE));

const random = uniform(1);
const runs = [];
for (let seed = 0; seed < REPEATS; seed++) {
  // A grid may hit the best rate by luck. All but the first, which is in the picture, are moved at random.
  const [a, b] = seed === 0 ? [0, 0] : [random() - 0.5, random() - 0.5];
  runs.push({
    grid: await search(tune.grid({ points: { lr: thirds(LR, a), reg: thirds(REG, b) } })),
    random: await search(tune.random({ seed })),
  });
}

const bestOf = (trials) => Math.max(...trials.map(({ accuracy }) => accuracy));
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const rows = ['grid', 'random'].map((kind) => {
  const best = runs.map((run) => bestOf(run[kind]));
  return [kind, mean(best).toFixed(4), Math.min(...best).toFixed(3), Math.max(...best).toFixed(3)];
});
console.log(`${name}: best accuracy of ${SIDE ** 2} trials, over ${REPEATS} searches`);
table(['search', 'mean', 'least', 'most'], rows);
const wins = runs.map((run) => Math.sign(bestOf(run.random) - bestOf(run.grid)));
console.log(
  `random search is better in ${wins.filter((win) => win > 0).length} of ${REPEATS}, as good in ${wins.filter((win) => win === 0).length}`,
);

const all = runs.flatMap((run) => [...run.grid, ...run.random]).sort((one, other) => one.lr - other.lr);
const count = (kind, key) => new Set(runs[0][kind].map((one) => one[key])).size;
const plane = (kind) => ({
  title: `${kind}: ${count(kind, 'lr')} rates, ${count(kind, 'reg')} penalties`,
  x: { label: 'learning rate: matters', log: true, min: 10 ** LR[0], max: 10 ** LR[1] },
  y: { label: 'penalty: hardly matters', log: true, min: 10 ** REG[0], max: 10 ** REG[1] },
  series: [{ name: kind, kind: 'scatter', size: 8, points: runs[0][kind].map(({ lr, reg }) => [lr, reg]) }],
});
const marginal = (kind, key, label) => ({
  title: `accuracy by ${label}`,
  x: { label, log: true },
  y: { label: 'validation accuracy' },
  series: [
    {
      name: 'all searches',
      kind: 'scatter',
      size: 2.5,
      color: '#ccc',
      points: all.map((one) => [one[key], one.accuracy]),
    },
    {
      name: kind,
      kind: 'scatter',
      size: 8,
      points: runs[0][kind].map((one) => [one[key], one.accuracy]),
    },
  ],
});
draw('grid-or-random', 'Nine trials: grid and random search', [
  [plane('grid'), plane('random')],
  [marginal('grid', 'lr', 'learning rate'), marginal('random', 'lr', 'learning rate')],
  [marginal('grid', 'reg', 'penalty'), marginal('random', 'reg', 'penalty')],
]);
