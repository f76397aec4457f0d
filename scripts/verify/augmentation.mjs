/** What augmentation is worth: resnet20 on 10,000 images of CIFAR-10 with several recipes, equal epochs. */
import { augment, data } from 'tenon';
import { accuracyOf, cropAndFlip } from './cifar10-resnet20.mjs';
import { requireData } from './process.mjs';
import { check, percent } from './report.mjs';

/** Recipes, and how many seeds each is trained with. */
const recipes = (seeds) => [
  { name: 'none', seeds, list: () => [] },
  { name: 'flip + crop', seeds, list: cropAndFlip },
  { name: '+ cutout', seeds, list: () => [...cropAndFlip(), augment.cutout(8)] },
  { name: '+ RandAugment', seeds, list: () => [...cropAndFlip(), augment.randAugment({ n: 2, m: 9 })] },
  { name: '+ mixup', seeds: 1, list: () => [...cropAndFlip(), augment.mixup({ alpha: 0.2 })] },
  { name: '+ AutoAugment', seeds: 1, list: () => [...cropAndFlip(), augment.autoAugment('cifar10')] },
];

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const spread = (values) => Math.max(...values) - Math.min(...values);

const goal = 'each of flip + crop, cutout, RandAugment separated from none';

await check('augmentation', goal, { epochs: 20, seeds: 3, images: 10_000 }, async (settings) => {
  const sets = await data.cifar10({ dir: requireData('cifar10') });
  const train = sets.train.sample(settings.images);
  const results = [];
  for (const { name, seeds, list } of recipes(settings.seeds)) {
    const accuracies = [];
    for (let seed = 1; seed <= seeds; seed++)
      accuracies.push(
        await accuracyOf({ train, test: sets.test }, list(), { epochs: settings.epochs, seed }),
      );
    results.push({ name, accuracies });
    console.log(`${name}: ${accuracies.map((a) => percent(a)).join(', ')}`);
  }
  const none = results[0].accuracies;
  const separated = results
    .slice(1, 4)
    .every(({ accuracies }) => Math.min(...accuracies) > Math.max(...none));
  const cell = ({ name, accuracies }) =>
    `${name} ${percent(mean(accuracies))} (${percent(spread(accuracies))})`;
  return { pass: separated, figure: `mean (spread): ${results.map(cell).join(', ')}`, details: { results } };
});
