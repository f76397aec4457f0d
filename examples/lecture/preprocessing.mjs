/**
 * Preprocessing of points (slides "Data preprocessing"): original, centred, standardized, decorrelated by
 * PCA, whitened; and the covariance of each, which becomes diagonal and then the identity.
 */
import { preprocess, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { covariance, fromIdentity, largestOffDiagonal } from './lib/covariance.mjs';
import { normal } from './lib/numbers.mjs';

const COUNT = 250;
const draws = normal(3);
/** An oblique cloud, away from the origin. */
const raw = Float32Array.from(
  Array.from({ length: COUNT }, () => {
    const [a, b] = [draws(), draws()];
    return [4 + 2.6 * a + 0.5 * b, 3 + 1.3 * a - 0.8 * b];
  }).flat(),
);
const points = tensor(raw, [COUNT, 2]);

const transforms = {
  original: undefined,
  centred: preprocess.center(),
  standardized: preprocess.standardize(),
  'decorrelated (PCA)': preprocess.pca(),
  whitened: preprocess.whiten({ eps: 0 }),
  'whitened, rotated back (ZCA)': preprocess.zca({ eps: 0 }),
};

const rows = [];
const panels = [];
const matrices = {};
for (const [name, transform] of Object.entries(transforms)) {
  const values = transform === undefined ? raw : await (await transform.fit(points)).applyAll(points);
  const matrix = (matrices[name] = covariance(values, 2));
  const mean = [0, 1].map((j) => values.reduce((sum, v, i) => (i % 2 === j ? sum + v / COUNT : sum), 0));
  const number = (v) => (Math.abs(v) < 5e-7 ? 0 : v).toFixed(6);
  rows.push([
    name,
    mean.map(number).join(' '),
    number(matrix[0][0]),
    number(matrix[0][1]),
    number(matrix[1][1]),
  ]);
  panels.push({
    title: name,
    x: {
      min: -12,
      max: 12,
      label: name.includes('PCA') || name === 'whitened' ? 'direction 1' : 'feature 1',
    },
    y: { min: -8, max: 8, label: name.includes('PCA') || name === 'whitened' ? 'direction 2' : 'feature 2' },
    series: [
      {
        name: 'points',
        kind: 'scatter',
        points: Array.from({ length: COUNT }, (_, i) => [values[2 * i], values[2 * i + 1]]),
      },
    ],
  });
}
table(['points', 'mean', 'variance 1', 'covariance', 'variance 2'], rows);

const pca = matrices['decorrelated (PCA)'];
const relative = largestOffDiagonal(pca) / pca[0][0];
const errors = ['whitened', 'whitened, rotated back (ZCA)'].map((name) => fromIdentity(matrices[name]));
console.log(`PCA: off the diagonal at most ${relative.toExponential(1)} of the largest variance`);
console.log(`whitening and ZCA: ${errors.map((e) => e.toExponential(1)).join(' and ')} from the identity`);
if (!(relative < 1e-4) || errors.some((error) => !(error < 1e-4)))
  throw new Error('the covariance is not what it should be');
draw('preprocessing', 'Preprocessing of points', [panels.slice(0, 3), panels.slice(3)]);
