/**
 * Hyper-parameters by random search, coarse to fine (slides "Hyperparameter optimization"): the learning rate
 * and the penalty of a net of two layers on CIFAR-10, 100 trials of 5 epochs over wide ranges, then longer
 * ones in the ranges of the best. Prints the slide's lines.
 *
 * The lecture's inputs are pixels from 0 to 255 less their mean. Ours are divided by their deviation,
 * which is about 64. The same function then has weights 8 times as large in either layer, as training
 * balances the layers. So gradients are an eighth, rates 64 times as large, and penalties on squared
 * weights a 64th of what they were there: 10**uniform(-6, -3) and 10**uniform(-5, 5) become
 * 10**uniform(-4, -1) and 10**uniform(-7, 3).
 */
import { preprocess, tune } from 'tenon';
import { draw } from './lib/chart.mjs';
import { colourImages } from './lib/images.mjs';
import { trainTwoLayer } from './lib/two-layer.mjs';

const IMAGES = [47_000, 1000, 2000];
const TRIALS = [100, 25];
const EPOCHS = [5, 10];
/** The coarse stage gets a rough idea from these. */
const COARSE_IMAGES = 10_000;
const SPACE = { lr: tune.logUniform(1e-4, 1e-1), reg: tune.logUniform(1e-7, 1e3) };

const { name, set } = await colourImages(50_000);
const [train, validation, test] = set.split(IMAGES, { seed: 1 });
const inputTransform = await preprocess.channelStandardize().fit(train);
const coarse = train.sample(COARSE_IMAGES, { seed: 1 });

let best = { accuracy: 0 };
async function objective(params, trial) {
  const epochs = trial.budget;
  const images = epochs === EPOCHS[0] ? coarse : train;
  const parts = { train: images, validation, inputTransform, epochs };
  const { trainer, loss, accuracy } = await trainTwoLayer(params, trial, parts);
  if (accuracy > best.accuracy) best = { accuracy, trainer };
  return loss;
}

/** As Python's %e. */
const exponential = (value) => value.toExponential(6).replace(/e([+-])(\d)$/, 'e$10$2');
const stageOf = ({ notes }) => notes['tenon:coarseToFine'].stage;
const range = ([low, high]) => `10**uniform(${Math.log10(low).toFixed(1)}, ${Math.log10(high).toFixed(1)})`;

const strategy = tune.coarseToFine({ trials: TRIALS, budgets: EPOCHS, seed: 1 });
const study = await tune.study(tune.memory(), { space: SPACE, strategy, rules: [tune.diverged()] });
const counts = [0, 0];
for await (const trial of study.run(objective)) {
  const { params, state, attributes, notes } = trial;
  if (state === 'failed') throw new Error(notes['tenon:error']);
  const stage = stageOf(trial);
  const { ranges } = notes['tenon:coarseToFine'];
  if (counts[stage - 1]++ === 0)
    console.log(`${name}, stage ${stage}: lr = ${range(ranges.lr)}, reg = ${range(ranges.reg)}`);
  const place = `(${counts[stage - 1]} / ${TRIALS[stage - 1]})`;
  const line = `val_acc: ${attributes.val_acc.toFixed(6)}, lr: ${exponential(params.lr)}, reg: ${exponential(params.reg)}, ${place}`;
  console.log(state === 'pruned' ? `${line} stopped: ${notes['tenon:reason']}` : line);
}

const stages = [1, 2].map((stage) => study.trials.filter((trial) => stageOf(trial) === stage));
for (const [i, trials] of stages.entries()) {
  const stopped = trials.filter(({ state }) => state === 'pruned').length;
  const most = Math.max(...trials.map(({ attributes }) => attributes.val_acc));
  console.log(
    `${['coarse', 'fine'][i]}: best val_acc ${most}, stopped ${stopped} of ${trials.length} (cost above 3 times the first, or not a number)`,
  );
}
const { accuracy } = await best.trainer.evaluate(test);
console.log(`the best net has ${accuracy.toFixed(4)} of ${test.length} images that nothing was chosen by`);

/** Trials by their accuracy, for the legend. */
const BANDS = [
  { name: 'below 30%', below: 0.3, color: '#bbb' },
  { name: '30 to 40%', below: 0.4, color: '#56b4e9' },
  { name: '40 to 45%', below: 0.45, color: '#0072b2' },
  { name: '45 to 50%', below: 0.5, color: '#e69f00' },
  { name: '50% and above', below: 1.01, color: '#d55e00' },
];
const bandOf = (value) => BANDS.find(({ below }) => value < below).name;
const ended = (trials) => trials.filter(({ state }) => state === 'complete');
const x = { label: 'lr', log: true };
const plane = (title, trials) => ({
  title,
  x,
  y: { label: 'reg', log: true },
  series: [
    ...BANDS.map(({ name: band, color }) => ({
      name: band,
      color,
      kind: 'scatter',
      size: 6,
      points: ended(trials)
        .filter(({ attributes }) => bandOf(attributes.val_acc) === band)
        .map(({ params }) => [params.lr, params.reg]),
    })),
    {
      name: 'stopped',
      color: '#000',
      kind: 'scatter',
      symbol: 'diamond',
      size: 6,
      points: trials.filter(({ state }) => state === 'pruned').map(({ params }) => [params.lr, params.reg]),
    },
  ],
});
const along = (key, label) => ({
  title: `accuracy by ${label}`,
  x: { label: key, log: true },
  y: { label: 'validation accuracy' },
  legend: 'left',
  series: stages.map((trials, i) => ({
    name: ['coarse', 'fine'][i],
    kind: 'scatter',
    size: 5,
    points: ended(trials).map(({ params, attributes }) => [params[key], attributes.val_acc]),
  })),
});
draw('hyperparameter-search', 'Coarse to fine', [
  [
    plane(`coarse: ${TRIALS[0]} trials of ${EPOCHS[0]} epochs`, stages[0]),
    plane(`fine: ${TRIALS[1]} trials of ${EPOCHS[1]} epochs`, stages[1]),
  ],
  [along('lr', 'learning rate'), along('reg', 'penalty')],
]);
await study.close();
