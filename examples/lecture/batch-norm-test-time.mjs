/**
 * Batch norm's own behaviour (slides "Batch normalization"). With gamma = sigma and beta = mu it is the
 * identity. In training, an answer depends on the rest of the batch; at test time it does not. There the
 * layer is linear, and costs nothing once it is folded into the convolution before it.
 */
import { compile, grad, losses, nn, ops, optim, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { clusters, mean, normal } from './lib/numbers.mjs';

const farthest = (a, b) => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
function numbers(count, seed) {
  const draws = normal(seed);
  return Float32Array.from({ length: count }, () => draws());
}

/** How far batch norm with gamma = sqrt(var + eps), beta = mean is from the identity. */
async function identity(count, size) {
  const x = numbers(count * size, 1).map((value, i) => 3 * value + (i % size));
  const columns = Array.from({ length: size }, (_, j) => x.filter((_, i) => i % size === j));
  const means = columns.map((column) => mean(Array.from(column)));
  const squares = columns.map((column, j) => mean(Array.from(column, (value) => (value - means[j]) ** 2)));
  const layer = nn.batchNorm1d(size);
  layer.weight.initializer = () => tensor(squares.map((variance) => Math.sqrt(variance + layer.eps)));
  layer.bias.initializer = () => tensor(means);
  layer.initialize();
  return farthest(x, await (await compile(() => layer.forward(tensor(x, [count, size])))()).data());
}

/**
 * Convolutions of 3x3 with and without batch norm, in evaluation mode, after training steps on noise that
 * give the norms something to do.
 */
async function convolutions(normalized) {
  const block = (from, to, stride) => [
    nn.conv2d(from, to, { kernel: 3, padding: 1, stride }),
    ...(normalized ? [nn.batchNorm2d(to)] : []),
    nn.relu(),
  ];
  const net = nn.sequential(
    ...block(3, 16, 1),
    ...block(16, 32, 2),
    ...block(32, 64, 2),
    ...block(64, 64, 1),
  );
  const model = nn
    .sequential(net, nn.globalAvgPool2d(), nn.flatten(), nn.linear(64, 10))
    .initialize({ seed: 1 });
  const optimizer = optim.sgd({ lr: 0.05 });
  const step = compile((x) => optimizer.update(grad(ops.mean(ops.square(model.forward(x))))));
  for (let i = 0; i < 10; i++) await step(images(i));
  return model.eval();
}
const images = (seed) =>
  tensor(
    numbers(16 * 3 * 32 * 32, seed).map((value) => 2 * value + 1),
    [16, 3, 32, 32],
  );

const plainNet = await convolutions(false);
const normNet = await convolutions(true);
const programs = {
  'without batch norm': compile((x) => plainNet.forward(x), { queue: 'predict' }),
  'batch norm, folded': compile((x) => normNet.forward(x), { queue: 'predict' }),
  'batch norm, not folded': compile((x) => normNet.forward(x)),
};
const x = images(100);
const outputs = {};
for (const [name, program] of Object.entries(programs)) outputs[name] = program.runSync(x).dataSync();
const calls = Object.entries(programs).map(([name, program]) => [name, program.profile()[0].length]);
const folding = farthest(outputs['batch norm, folded'], outputs['batch norm, not folded']);
const largest = Math.max(...outputs['batch norm, not folded'].map(Math.abs));

/** The least processor time of each, in milliseconds per batch, over rounds that take turns. */
function times(rounds = 20, runs = 5) {
  const least = Object.fromEntries(Object.keys(programs).map((name) => [name, Infinity]));
  for (let round = 0; round < rounds; round++)
    for (const [name, program] of Object.entries(programs)) {
      const begun = process.cpuUsage();
      for (let i = 0; i < runs; i++) program.runSync(x);
      const { user, system } = process.cpuUsage(begun);
      least[name] = Math.min(least[name], (user + system) / 1000 / runs);
    }
  return least;
}

const SIZE = 32;
const BATCH = 32;
const STEPS = 200;
const points = clusters({ count: 2048, size: SIZE, classes: 10, noise: 2 });
// The inputs are neither centred nor scaled, so that the statistics have some way to go.
points.x.forEach((value, i) => (points.x[i] = 4 * value + 6));
const held = { x: tensor(points.x.slice(0, 512 * SIZE), [512, SIZE]), y: tensor(points.y.slice(0, 512)) };
const criterion = losses.crossEntropy();

/**
 * Trains, and reports for every step the statistics of a channel, and the loss on other points by the batch's
 * statistics and by the running ones.
 */
async function train(momentum) {
  const norm = nn.batchNorm1d(64, { momentum });
  const first = nn.linear(SIZE, 64);
  const model = nn.sequential(first, norm, nn.relu(), nn.linear(64, 10)).initialize({ seed: 1 });
  const optimizer = optim.sgd({ lr: 0.2 });
  const step = compile((batch, labels) => {
    const means = ops.mean(first.forward(batch), { axes: 0 });
    optimizer.update(grad(criterion(model.forward(batch), labels)));
    return means;
  });
  // Outside of a compiled step nothing moves the running statistics.
  const lossOf = () => criterion(model.forward(held.x), held.y).item();
  const seen = { batch: [], running: [], training: [], evaluation: [] };
  for (let i = 0; i < STEPS; i++) {
    const at = 512 + ((i * BATCH) % 1536);
    const batch = tensor(points.x.slice(at * SIZE, (at + BATCH) * SIZE), [BATCH, SIZE]);
    const batchMeans = await step(batch, tensor(points.y.slice(at, at + BATCH)));
    seen.batch.push([i, (await batchMeans.data())[0]]);
    seen.running.push([i, (await norm.runningMean.data())[0]]);
    if (i % 4 > 0) continue;
    seen.training.push([i, await lossOf()]);
    model.eval();
    seen.evaluation.push([i, await lossOf()]);
    model.train();
  }
  return { model, seen };
}
const { model, seen } = await train(0.1);
const { seen: slow } = await train(0.01);

/** The score of the first point for its class, beside 31 other points each time. */
async function scores() {
  const found = [];
  for (let i = 0; i < 60; i++) {
    const others = points.x.slice((512 + i * 20) * SIZE, (512 + i * 20 + BATCH - 1) * SIZE);
    const batch = tensor([...points.x.slice(0, SIZE), ...others], [BATCH, SIZE]);
    found.push([i, (await model.forward(batch).data())[points.y[0]]]);
  }
  return found;
}
const together = await scores();
model.eval();
const alone = await scores();

const span = (list) =>
  (Math.max(...list.map(([, y]) => y)) - Math.min(...list.map(([, y]) => y))).toPrecision(3);
const cpu = times();
table(
  ['check', 'number'],
  [
    ['gamma = sigma, beta = mu: farthest from the identity', (await identity(64, 16)).toExponential(1)],
    ['folded and unfolded: largest difference', folding.toExponential(1)],
    ['the same, relative to the largest output', (folding / largest).toExponential(1)],
    ...calls.map(([name, count]) => [`kernel calls, ${name}`, count]),
    ...Object.entries(cpu).map(([name, ms]) => [`processor time of a batch, ${name}`, `${ms.toFixed(2)} ms`]),
    ["span of a point's score beside 60 sets of others, in training", span(together)],
    ['the same at test time', span(alone)],
  ],
);

draw('batch-norm-test-time', 'Batch norm in training and at test time', [
  [
    {
      title: 'mean of a channel while a net trains',
      x: { label: 'step' },
      y: { label: 'mean' },
      legend: 'right',
      series: [
        { name: 'of the batch', color: '#bbb', width: 1, points: seen.batch },
        { name: 'running, momentum 0.1', points: seen.running },
        { name: 'running, momentum 0.01', points: slow.running },
      ],
    },
    {
      title: 'loss on other points, by whose statistics',
      x: { label: 'step' },
      y: { label: 'loss', min: 0, max: 6 },
      legend: 'right',
      series: [
        { name: "the batch's", color: '#bbb', width: 3, points: seen.training },
        { name: 'running, momentum 0.1', points: seen.evaluation },
        { name: 'running, momentum 0.01', points: slow.evaluation },
      ],
    },
  ],
  [
    {
      title: "one point's score, beside other points",
      x: { label: 'set of other points' },
      y: { label: 'score of its class' },
      legend: 'right',
      series: [
        { name: 'in training', kind: 'scatter', size: 4, points: together },
        { name: 'at test time', points: alone },
      ],
    },
    {
      title: 'kernel calls of a prediction',
      x: { names: ['no batch norm', 'folded', 'not folded'] },
      y: { label: 'kernel calls', min: 0, max: 14 },
      legend: 'left',
      series: [
        {
          name: 'four convolutions with relu, pooling, linear',
          kind: 'bar',
          gap: 40,
          points: calls.map(([, count]) => count),
        },
      ],
    },
  ],
]);
