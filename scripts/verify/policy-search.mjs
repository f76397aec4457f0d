/**
 * The policy search on CIFAR-10: children on a few thousand images; the found policy trained anew with
 * several seeds and judged on held-out images, beside random policies and none.
 */
import { rmSync } from 'node:fs';
import { augment, data, models, tune } from 'tenon';
import { accuracyOf, cropAndFlip } from './cifar10-resnet20.mjs';
import { requireData } from './process.mjs';
import { check, percent } from './report.mjs';

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const goal = 'the found policy is better than none on held-out images, in the mean over seeds';
const defaults = { children: 100, epochs: 8, images: 4000, seeds: 5, retrain: 25, journal: 0 };

await check('policy-search', goal, defaults, async (settings) => {
  const { train, test } = await data.cifar10({ dir: requireData('cifar10') });
  const [images, validation] = train.split([settings.images, 1000]);
  const journal = 'policy-search.json';
  if (settings.journal === 0) rmSync(journal, { force: true });
  const begun = performance.now();
  const { children, epochs } = settings;
  const search = tune.augmentationPolicy({
    train: images,
    validation,
    model: () => models.resnet20(),
    children,
    epochs,
    journal,
    augment: cropAndFlip(),
  });
  for await (const { number, accuracy, seconds } of search)
    console.log(`child ${number}: ${percent(accuracy)} in ${seconds.toFixed(1)} s`);
  const minutes = (performance.now() - begun) / 60_000;
  const found = search.best(5);
  const policies = {
    none: () => [],
    random: (seed) => [augment.policy(tune.randomPolicy({ seed, subPolicies: found.length }))],
    found: () => [augment.policy(found)],
  };
  const results = {};
  for (const [name, list] of Object.entries(policies)) {
    results[name] = [];
    for (let seed = 1; seed <= settings.seeds; seed++) {
      const how = { epochs: settings.retrain, seed };
      results[name].push(await accuracyOf({ train: images, test }, [...cropAndFlip(), ...list(seed)], how));
    }
    console.log(`${name}: ${results[name].map((a) => percent(a)).join(', ')}`);
  }
  const cells = Object.entries(results).map(([name, all]) => `${name} ${percent(mean(all))}`);
  return {
    pass: mean(results.found) > mean(results.none),
    figure: `${cells.join(', ')}; ${children} children in ${minutes.toFixed(1)} min`,
    details: { results, found, children: search.children },
  };
});
