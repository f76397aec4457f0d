/**
 * docs/command-line.md says of data sets, networks, optimizers and schedules what their lists say. A new data
 * set or optimizer needs no row there: `tenon train --help` has it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DATASETS } from '../../lib/cli/datasets';
import { EXIT } from '../../lib/cli/exit-codes';
import { spelled } from '../../lib/cli/flags';
import { namesOf } from '../../lib/cli/names';
import { NETWORKS } from '../../lib/cli/networks';
import { optimizers } from '../../lib/optim';
import { completeRecipe, SETTINGS } from '../../lib/cli/recipe';
import { SCHEDULES } from '../../lib/cli/schedules';
import { root } from './support';

const page = readFileSync(join(root, 'docs', 'command-line.md'), 'utf8');

/** The table whose first row begins with these cells, as rows of cells. */
function table(...head: string[]): string[][] {
  const start = page.indexOf(`| ${head.join(' | ')} |`.replaceAll('|  |', '| |'));
  expect(start).toBeGreaterThan(0);
  const lines = page.slice(start).split('\n\n')[0]!.split('\n');
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const list = (cell: string): string[] => cell.split(', ');

/** `a; x: b` and `a, b` as numbers, in their order. */
const numbers = (cell: string): number[] => (cell.match(/\d[\d.e-]*/g) ?? []).map(Number);

test('defaults by data set', () => {
  const [head = [], , ...rows] = table('', 'glyphs');
  expect(namesOf(DATASETS)).toEqual(expect.arrayContaining(head.slice(1).flatMap(list)));
  for (const [column, names] of head.entries())
    for (const dataset of column === 0 ? [] : list(names)) {
      const { model, epochs, augment } = DATASETS[dataset as keyof typeof DATASETS];
      const cells = rows.map((row) => row[column]);
      expect(cells).toEqual([model, String(epochs), augment.join(',') || 'none']);
    }
});

test('defaults by network', () => {
  const [head = []] = table('', 'mlp, lenet5, lenet');
  expect(list(head[1]!)).toEqual(namesOf(NETWORKS).filter((name) => !NETWORKS[name].deep));
  const plain = namesOf(NETWORKS).filter((name) => NETWORKS[name].deep && !NETWORKS[name].batchNorm);
  expect(page).toContain(`0.1; ${plain.join(', ')}: 0.01 (adam: 0.001)`);
  for (const name of namesOf(NETWORKS)) {
    // `cifar_resnet20`, `32`, `44`; `vgg11`, `13`, each also as `vgg11_bn`
    const [, family = name, depth = ''] = /^(.*?)(\d+)(?:_bn)?$/.exec(name) ?? [];
    expect(page).toMatch(new RegExp(`\`${name}\`|\`${family}\\d+\`[^;]*\`${depth}\``));
  }
});

test('defaults by optimizer', () => {
  const [, , ...rows] = table('`--optimizer`', '`--lr`');
  const told = rows.flatMap(([names = '', lr = '', momentum = '', decay = '']) =>
    list(names).map((name, i, { length }) => {
      const rates = numbers(lr);
      return { name, lr: length > 1 ? [rates[i]] : rates, momentum: numbers(momentum), decay: Number(decay) };
    }),
  );
  expect(namesOf(optimizers)).toEqual(expect.arrayContaining(told.map(({ name }) => name)));
  for (const { name, lr, momentum, decay } of told) {
    const optimizer = name as keyof typeof optimizers;
    const of = (model: keyof typeof NETWORKS) => completeRecipe({ model, optimizer });
    const [shallow, deep, plain] = [of('lenet'), of('resnet18'), of('vgg16')];
    expect([shallow.lr, deep.lr, plain.lr]).toEqual([lr[0], lr[1] ?? lr[0], lr[2] ?? lr[0]]);
    expect([shallow.momentum, shallow.weightDecay]).toEqual([momentum[0] ?? 0, decay]);
  }
});

test('every schedule, setting and exit code', () => {
  const [, , ...rows] = table('`--schedule`', '');
  expect(rows.flatMap(([names = '']) => list(names)).sort()).toEqual([...namesOf(SCHEDULES)].sort());
  // The help of every command that has it explains --precision.
  for (const name of namesOf(SETTINGS).filter((each) => each !== 'precision'))
    expect(page).toContain(spelled(name));
  for (const code of Object.values(EXIT))
    expect(page).toMatch(new RegExp(`^\\| (.*, )?${code}(, .*)? \\|`, 'm'));
});
