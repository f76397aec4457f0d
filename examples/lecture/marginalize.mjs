/**
 * Averaging out the noise at test time (slides "Dropout at test time"): the integral over masks as the mean
 * of k stochastic passes, beside the one pass without noise that approximates it.
 */
import { losses, nn, optim, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { digits } from './lib/images.mjs';

const [COUNT, EPOCHS, TESTED, SEEDS] = [2000, 20, 1000, 5];
const PASSES = [1, 2, 4, 8, 16, 32, 64];

const { name, train, test } = await digits(COUNT, TESTED);
const size = train.inputShape.reduce((a, b) => a * b);
const model = nn.sequential(
  nn.flatten(),
  nn.linear(size, 256),
  nn.relu(),
  nn.dropout(0.5),
  nn.linear(256, 256),
  nn.relu(),
  nn.dropout(0.5),
  nn.linear(256, 10),
);
const optimizer = optim.adam({ lr: 0.001 });
const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer, seed: 1 });
await trainer.fit(train, { epochs: EPOCHS, batchSize: 50 });

const plain = await trainer.evaluate(test);
const results = [];
for (const samples of PASSES) {
  const runs = [];
  for (let seed = 1; seed <= SEEDS; seed++) runs.push(await trainer.evaluate(test, { samples, seed }));
  const mean = (key) => runs.reduce((sum, each) => sum + each[key], 0) / SEEDS;
  results.push({ samples, loss: mean('loss'), error: 100 * (1 - mean('accuracy')) });
}
const shown = (loss, error) => [loss.toFixed(4), `${error.toFixed(2)}%`];
console.log(`${TESTED} test images of ${name}; means of ${SEEDS} seeds`);
table(
  ['passes', 'negative log-likelihood', 'error'],
  [
    ...results.map(({ samples, loss, error }) => [samples, ...shown(loss, error)]),
    ['without noise', ...shown(plain.loss, 100 * (1 - plain.accuracy))],
  ],
);
if (results.some(({ loss }, i) => i > 0 && loss >= results[i - 1].loss))
  throw new Error('the negative log-likelihood does not fall with the number of passes');

const panel = (title, label, key, level) => ({
  title,
  x: { label: 'passes', log: true },
  y: { label },
  series: [
    { name: 'mean of k passes', points: results.map((each) => [each.samples, each[key]]) },
    { name: 'one pass without noise', points: PASSES.map((k) => [k, level]), dashed: true },
  ],
});
draw('marginalize', `Dropout: averages over masks at test time (${name})`, [
  [
    panel('negative log-likelihood', 'loss', 'loss', plain.loss),
    panel('test error', 'error, %', 'error', 100 * (1 - plain.accuracy)),
  ],
]);
