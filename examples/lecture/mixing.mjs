/**
 * Cutout, mixup, CutMix and label smoothing (slides "Stochastic regularization"): pictures of what training
 * sees, and a small net that overfits few images.
 */
import {
  augment,
  compile,
  evaluate,
  losses,
  nn,
  optim,
  runtimeScalar,
  schedules,
  tensor,
  Trainer,
} from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { colourImages, pixelsOf } from './lib/images.mjs';
import { drawPictures, png } from './lib/pictures.mjs';

const [COUNT, HELD, EPOCHS, SHOWN] = [1500, 1000, 25, 8];

const { name, set } = await colourImages(COUNT + HELD);
const [train, held] = set.split([COUNT, HELD], { seed: 1 });
const [channels, side] = train.inputShape;
const classes = train.classNames.length;
const cutout = augment.cutout(side / 2);

const rows = [];
// A set that was split is in order of its classes.
const shown = train.subset(Array.from({ length: SHOWN }, (_, i) => Math.floor((i * COUNT) / SHOWN)));
const shape = [SHOWN, ...shown.inputShape];
const bytes = channels * side * side;
const picturesOf = (values) =>
  Promise.all(
    Array.from({ length: SHOWN }, (_, i) => png(values.slice(i * bytes, (i + 1) * bytes), shown.inputShape)),
  );

/** What cutout makes of the images, from 0 to 1 in order N, C, H, W. */
async function cut() {
  const images = [];
  for (let i = 0; i < SHOWN; i++) {
    const { pixels } = await augment.apply([cutout], await shown.image(i), { samples: [i] });
    for (let c = 0; c < channels; c++)
      for (let at = c; at < pixels.length; at += channels) images.push(pixels[at] / 255);
  }
  return Float32Array.from(images);
}

/** What an augmentation of inputs makes of a batch, in the first epoch: images and targets. */
async function mix(augmentation) {
  const record = compile((images, targets) => {
    const samples = tensor(Int32Array.from({ length: SHOWN }, (_, i) => i));
    const occurrence = tensor(new Int32Array(SHOWN));
    const draws = { seed: 1, epoch: runtimeScalar(() => 0), occurrence, place: 1 };
    const mixed = augmentation.record({ images, targets, samples, classes }, draws);
    return { images: mixed.images, targets: mixed.targets };
  });
  const mixed = await record(tensor(await pixelsOf(shown), shape), tensor(Int32Array.from(shown.labels)));
  return { images: await mixed.images.data(), targets: await mixed.targets.data() };
}

/** Targets of a row, as 'cat 0.40, dog 0.60'. */
const mixtureOf = (targets, i) =>
  [...targets.subarray(i * classes, (i + 1) * classes)]
    .map((share, k) => ({ share, class: train.classNames[k] }))
    .filter(({ share }) => share > 0.005)
    .sort((a, b) => b.share - a.share)
    .map(({ share, class: label }) => `${label} ${share.toFixed(2)}`)
    .join(', ');

rows.push({ label: 'original', pictures: await picturesOf(await pixelsOf(shown)) });
rows.push({ label: 'cutout', pictures: await picturesOf(await cut()) });
for (const [label, augmentation] of [
  ['mixup', augment.mixup()],
  ['CutMix', augment.cutmix()],
]) {
  const { images, targets } = await mix(augmentation);
  for (let i = 0; i < SHOWN; i++) {
    const sum = targets.subarray(i * classes, (i + 1) * classes).reduce((a, b) => a + b, 0);
    if (Math.abs(sum - 1) > 1e-5) throw new Error(`${label}: the targets of image ${i} sum to ${sum}`);
  }
  rows.push({ label, pictures: await picturesOf(images) });
  console.log(`${label}: ${Array.from({ length: SHOWN }, (_, i) => mixtureOf(targets, i)).join('; ')}`);
}
drawPictures('mixed-images', `What training sees of ${name}: each image is mixed with the next`, rows);

const conv = (from, to) => [
  nn.conv2d(from, to, { kernel: 3, padding: 1, bias: false }),
  nn.batchNorm2d(to),
  nn.relu(),
  nn.maxPool2d(2),
];
const network = () =>
  nn.sequential(
    ...conv(channels, 16),
    ...conv(16, 32),
    ...conv(32, 64),
    nn.flatten(),
    nn.linear(64 * Math.floor(side / 8) ** 2, classes),
  );

const ways = {
  none: {},
  cutout: { list: [cutout] },
  mixup: { list: [augment.mixup()] },
  CutMix: { list: [augment.cutmix()] },
  'label smoothing': { labelSmoothing: 0.1 },
};

async function run({ list = [], labelSmoothing = 0 }) {
  const trainer = new Trainer(network(), {
    loss: losses.crossEntropy({ labelSmoothing }),
    optimizer: optim.sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 }),
    schedule: schedules.cosine(),
    augment: list,
    seed: 1,
  });
  const { epochs } = await trainer.fit(train, { epochs: EPOCHS, batchSize: 50, validation: held });
  const loss = losses.crossEntropy();
  const [own, other] = [
    await evaluate(trainer.model, train, { loss }),
    await evaluate(trainer.model, held, { loss }),
  ];
  return { epochs, own, other };
}

const runs = {};
for (const [label, how] of Object.entries(ways)) runs[label] = await run(how);
const percent = (share) => `${(100 * share).toFixed(1)}%`;
console.log(
  `\n${COUNT} images of ${name}, ${HELD} others, ${EPOCHS} epochs; losses are those of whole images and plain labels`,
);
table(
  ['', 'training accuracy', 'training loss', 'validation accuracy', 'validation loss'],
  Object.entries(runs).map(([label, { own, other }]) => [
    label,
    percent(own.accuracy),
    own.loss.toFixed(3),
    percent(other.accuracy),
    other.loss.toFixed(3),
  ]),
);

const panel = (title, key, y) => ({
  title,
  x: { label: 'epoch' },
  y,
  series: Object.entries(runs).map(([label, { epochs }]) => ({
    name: label,
    points: epochs.map((epoch, i) => [i + 1, epoch[key]]),
  })),
});
draw('mixing', `Cutout, mixup, CutMix, label smoothing: ${COUNT} images of ${name}`, [
  [
    panel('loss in training (of what training sees)', 'trainLoss', { label: 'loss', min: 0 }),
    panel('validation accuracy', 'validationAccuracy', { label: 'accuracy' }),
  ],
]);
