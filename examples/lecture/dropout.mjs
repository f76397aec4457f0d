/**
 * Dropout (slides "Dropout" and "Inverted dropout"): the two forms agree in expectation with the layer at
 * test time, and a net trained with and without it on few images.
 */
import { compile, losses, nn, optim, RandomState, tensor, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { digits } from './lib/images.mjs';
import { deviation, mean, normal } from './lib/numbers.mjs';

const P = 0.3;
const ROWS = 16384;
const WIDTH = 64;
const FORMS = { plain: 'evaluation', inverted: 'training' };

/** A neuron w.x whose inputs are dropped, in many draws and at test time. */
async function neuron(scaling) {
  const draws = normal(3);
  const [x, w] = [0, 1].map(() => Float32Array.from({ length: WIDTH }, draws));
  const inputs = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => x[i % WIDTH]);
  const layer = nn.dropout(P, { scaling });
  const outputs = async (training) => {
    layer.train(training);
    // Both forms draw the same masks.
    const drop = compile((rows) => layer.forward(rows), { random: new RandomState(0) });
    const kept = await (await drop(tensor(inputs, [ROWS, WIDTH]))).data();
    return Array.from({ length: ROWS }, (_, n) =>
      w.reduce((sum, weight, i) => sum + weight * kept[n * WIDTH + i], 0),
    );
  };
  const training = await outputs(true);
  const [atTest] = await outputs(false);
  return { training: mean(training), error: deviation(training) / Math.sqrt(ROWS), atTest };
}

const forms = [];
for (const [form, scaling] of Object.entries(FORMS)) forms.push({ form, ...(await neuron(scaling)) });
table(
  ['form', `mean of ${ROWS} draws`, 'standard error', 'at test time'],
  forms.map(({ form, ...numbers }) => [form, ...Object.values(numbers).map((value) => value.toFixed(3))]),
);
if (forms.some(({ training, atTest, error }) => Math.abs(training - atTest) > 4 * error))
  throw new Error('training and test time differ in expectation');

const [COUNT, EPOCHS, HELD] = [1000, 60, 1000];
const { name, train, test } = await digits(COUNT, HELD);
const size = train.inputShape.reduce((a, b) => a * b);

async function run(dropout) {
  const model = nn.sequential(
    nn.flatten(),
    nn.linear(size, 512),
    nn.relu(),
    ...dropout(),
    nn.linear(512, 512),
    nn.relu(),
    ...dropout(),
    nn.linear(512, 10),
  );
  const optimizer = optim.sgd({ lr: 0.01, momentum: 0.9 });
  const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer, seed: 1 });
  const { epochs } = await trainer.fit(train, { epochs: EPOCHS, batchSize: 50, validation: test });
  return epochs;
}

const runs = { none: await run(() => []) };
for (const [form, scaling] of Object.entries(FORMS))
  runs[form] = await run(() => [nn.dropout(0.5, { scaling })]);
const percent = (accuracy) => `${(100 * accuracy).toFixed(1)}%`;
console.log(`\n${COUNT} images of ${name}`);
table(
  ['dropout', 'training accuracy', 'validation loss', 'validation accuracy'],
  Object.entries(runs).map(([form, epochs]) => {
    const last = epochs.at(-1);
    return [
      form,
      percent(last.trainAccuracy),
      last.validationLoss.toFixed(3),
      percent(last.validationAccuracy),
    ];
  }),
);

const panel = (title, key) => ({
  title,
  x: { label: 'epoch' },
  y: { label: title, min: 0, max: 1.2 },
  series: Object.entries(runs).map(([form, epochs]) => ({
    name: form === 'none' ? 'no dropout' : `${form} dropout`,
    points: epochs.map((epoch, i) => [i + 1, Math.min(1.2, epoch[key])]),
  })),
});
draw('dropout', `Dropout: ${COUNT} images of ${name}`, [
  [panel('training loss', 'trainLoss'), panel('validation loss', 'validationLoss')],
]);
