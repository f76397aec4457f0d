/**
 * Random search with and without the rule of asynchronous successive halving (ASHA), for as many epochs in
 * all: a small network on 5,000 images of CIFAR-10, with its optimizer, rate, decay and width to be found.
 * Points come from the same stream in both, so that the first ones are the same. Fails where the networks
 * that ASHA finds are worse on the mean over seeds, by the images that they were chosen by.
 */
import { data, losses, NonFiniteError, optim, Trainer, tune } from 'tenon';
import { requireData } from './process.mjs';
import { check, percent } from './report.mjs';
import { network } from './searched-network.mjs';

const BATCH = 64;
const IMAGES = [5000, 1000, 4000];
const RULE = { minResource: 1, reductionFactor: 4 };
const SPACE = {
  lr: tune.logUniform(1e-4, 1),
  weightDecay: tune.logUniform(1e-6, 1e-2),
  width: tune.choice([4, 8, 12, 16]),
  optimizer: tune.conditional({ sgd: { momentum: tune.uniform(0, 0.99) }, adam: {} }),
};

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

function optimizerOf({ lr, weightDecay, optimizer }) {
  if (optimizer.choice === 'adam') return optim.adamw({ lr, weightDecay });
  return optim.sgd({ lr, weightDecay, momentum: optimizer.momentum });
}

/** Trains a network, reports its accuracy after each epoch, and notes that on the images for the end. */
const objectiveOn = ([train, validation, test], epochs) =>
  async function objective(params, trial) {
    const trainer = new Trainer(network(params.width), {
      loss: losses.crossEntropy(),
      optimizer: optimizerOf(params),
      seed: trial.number,
    });
    const callbacks = [trial.callback({ metric: 'validationAccuracy' })];
    const options = { epochs, batchSize: BATCH, validation, callbacks };
    const history = await trainer.fit(train, options).catch((error) => {
      // The rules see that it diverged.
      if (error instanceof NonFiniteError) return trial.report(epochs, NaN);
      throw error;
    });
    if (trial.stopped !== undefined) return undefined;
    await trial.note('test', (await trainer.evaluate(test)).accuracy);
    return history.epochs.at(-1).validationAccuracy;
  };

/** Runs trials until they have had `budget` epochs in all; the last may go beyond it. */
async function search(objective, rules, { seed, budget }) {
  const options = { space: SPACE, direction: 'maximize', strategy: tune.random({ seed }), rules };
  const study = await tune.study(tune.memory(), options);
  const begun = performance.now();
  const best = [];
  let epochs = 0;
  for await (const { state, notes, reports } of study.run(objective)) {
    if (state === 'failed') throw new Error(`a trial failed: ${notes['tenon:error']}`);
    epochs += reports.length;
    best.push({ epochs, value: study.best?.value ?? 0 });
    if (epochs >= budget) break;
  }
  const seconds = (performance.now() - begun) / 1000;
  if (study.best === undefined) throw new Error(`no trial of ${study.trials.length} was completed`);
  const { value, attributes, params } = study.best;
  await study.close();
  const result = { trials: best.length, epochs, seconds, validation: value, test: attributes.test };
  return { ...result, params, best };
}

const goal = 'at equal epochs, ASHA finds networks that are not worse than those of random search';
const defaults = { seeds: 3, trials: 12, epochs: 16 };

await check('asha', goal, defaults, async ({ seeds, trials, epochs }) => {
  const { train } = await data.cifar10({ dir: requireData('cifar10') });
  const objective = objectiveOn(train.split(IMAGES), epochs);
  const budget = trials * epochs;
  const runs = [];
  for (let seed = 0; seed < seeds; seed++) {
    const random = await search(objective, [tune.diverged()], { seed, budget });
    const asha = await search(objective, [tune.diverged(), tune.asha(RULE)], { seed, budget });
    runs.push({ random, asha });
    for (const [name, one] of Object.entries({ random, asha }))
      console.log(
        `seed ${seed}, ${name}: ${percent(one.validation, 1)} (${percent(one.test, 1)} on other images), ${one.trials} trials, ${one.epochs} epochs, ${one.seconds.toFixed(0)} s`,
      );
  }
  const of = (name, key) => mean(runs.map((run) => run[name][key]));
  const shown = (name) =>
    `${percent(of(name, 'validation'), 1)} (${percent(of(name, 'test'), 1)} on other images) from ${of(name, 'trials').toFixed(0)} trials in ${of(name, 'seconds').toFixed(0)} s`;
  // Epochs after which ASHA has what random search has in the end.
  const caught = runs.map(
    ({ random, asha }) => asha.best.find(({ value }) => value >= random.validation)?.epochs,
  );
  const reached = caught.map((at) => at ?? 'never').join(', ');
  return {
    pass: of('asha', 'validation') >= of('random', 'validation'),
    figure: `${seeds} seeds, ${budget} epochs each: ASHA ${shown('asha')}, random ${shown('random')}; ASHA had random's best after ${reached} epochs`,
    details: { runs },
  };
});
