/**
 * Why inputs are normalized (slides "Data preprocessing"): the loss of a linear classifier is very sensitive
 * to small changes of its weights before it, and less so after it. A logistic classifier is trained to its
 * optimum on two classes of points far from the origin, raw and normalized. Then its weights are turned and
 * stretched a little.
 */
import { compile, grad, losses, nn, optim, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { deviation, mean, normal } from './lib/numbers.mjs';

const COUNT = 400;
const draws = normal(1);
const ys = Int32Array.from({ length: COUNT }, (_, i) => i % 2);
const raw = Array.from(ys, (y) => [20 + draws() + 2 * y, 30 + draws() - 2 * y]);

const columns = [0, 1].map((j) => raw.map((point) => point[j]));
const standardized = raw.map((point) =>
  point.map((value, j) => (value - mean(columns[j])) / deviation(columns[j])),
);

/** Newton would be quicker; this is what everybody runs. */
async function train(points, { lr, steps }) {
  const model = nn.sequential(nn.linear(2, 2)).initialize({ seed: 1 });
  const optimizer = optim.adam({ lr });
  const criterion = losses.crossEntropy();
  const x = tensor(Float32Array.from(points.flat()), [COUNT, 2]);
  const y = tensor(ys);
  const step = compile(() => {
    const loss = criterion(model.forward(x), y);
    optimizer.update(grad(loss));
    return loss;
  });
  for (let i = 0; i < steps; i++) await step();
  const [w, b] = await Promise.all([...model.namedParameters().values()].map((p) => p.data()));
  return { w: [w[2] - w[0], w[3] - w[1]], b: b[1] - b[0] };
}

/** Mean logistic loss of w x + b. */
function loss(points, w, b) {
  const each = points.map((x, i) => {
    const margin = (ys[i] === 1 ? 1 : -1) * (w[0] * x[0] + w[1] * x[1] + b);
    return Math.log1p(Math.exp(-Math.abs(margin))) + Math.max(0, -margin);
  });
  return mean(each);
}

const turned = ([a, b], angle) => [
  a * Math.cos(angle) - b * Math.sin(angle),
  a * Math.sin(angle) + b * Math.cos(angle),
];

const degrees = Array.from({ length: 61 }, (_, i) => -15 + i / 2);
const fits = {
  raw: { points: raw, ...(await train(raw, { lr: 0.02, steps: 4000 })) },
  standardized: { points: standardized, ...(await train(standardized, { lr: 0.02, steps: 4000 })) },
};
const curves = Object.entries(fits).map(([name, { points, w, b }]) => ({
  name,
  points: degrees.map((angle) => [angle, loss(points, turned(w, (angle * Math.PI) / 180), b)]),
}));
const at = (curve, angle) => curve.points.find(([x]) => x === angle)[1];
table(
  ['inputs', 'loss', 'turned by 1 degree', 'by 5 degrees'],
  curves.map((c) => [c.name, ...[0, 1, 5].map((angle) => at(c, angle).toFixed(4))]),
);
const scatter = (name, points) => ({
  title: `${name} inputs`,
  series: [0, 1].map((label) => ({
    name: `class ${label}`,
    kind: 'scatter',
    points: points.filter((_, i) => ys[i] === label),
  })),
});
draw('input-scaling', 'Sensitivity of a linear classifier to its weights', [
  [
    scatter('raw', raw),
    scatter('standardized', standardized),
    {
      title: 'loss when the weights are turned',
      x: { label: 'degrees' },
      y: { label: 'loss' },
      series: curves,
    },
  ],
]);
