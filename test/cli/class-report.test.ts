import { reportLines } from '../../lib/cli/class-report';
import { classificationReport } from '../../lib/metrics';

test('a few classes: the table and the matrix', () => {
  const report = classificationReport([
    [6, 4],
    [0, 5],
  ]);
  expect(reportLines(report, ['cat', 'a very long name of a dog'])).toEqual([
    'class                     precision  recall      f1  images',
    'cat                          1.0000  0.6000  0.7500      10',
    'a very long name of a...     0.5556  1.0000  0.7143       5',
    'mean                         0.7778  0.8000  0.7321      15',
    'weighted mean                0.8519  0.7333  0.7381      15',
    '',
    'rows: the true class; columns: the answer',
    '                          cat  a very long name of a...',
    'cat                         6                         4',
    'a very long name of a...    0                         5',
  ]);
});

test('many classes: the pairs most often confused', () => {
  const names = Array.from({ length: 30 }, (_, i) => `class${i}`);
  const counts = names.map((_, i) => names.map((__, j) => 9 * Number(i === j)));
  expect(reportLines(classificationReport(counts), names).at(-1)).toBe('no class was confused with another');
  counts[3]![4] = 2;
  counts[7]![1] = 5;
  counts[8]![2] = 2;
  expect(reportLines(classificationReport(counts), names).slice(-5)).toEqual([
    'most often confused',
    'true class  answer  images',
    'class7      class1       5',
    'class3      class4       2',
    'class8      class2       2',
  ]);
});
