/**
 * The report of `tenon evaluate --report`: a table of the classes, and the confusion matrix or, for many
 * classes, its largest entries.
 */
import type { ClassificationReport, ClassScores } from '../metrics';

/** For more classes than this, the report lists the pairs that are most often confused. */
const WIDEST_MATRIX = 20;
const PAIRS = 20;
const LONGEST_NAME = 24;

/** Lines of text, without newlines. */
export function reportLines(report: ClassificationReport, classNames: readonly string[]): string[] {
  const names = classNames.map(short);
  return [
    ...table(report, names),
    '',
    ...(names.length <= WIDEST_MATRIX ? matrixLines(report, names) : confusedLines(report, names)),
  ];
}

/** The same report as data, for `--json`. */
export function reportFields(
  { matrix, classes, macro, weighted }: ClassificationReport,
  names: readonly string[],
) {
  const scores = ({ precision, recall, f1 }: ClassScores) => ({ precision, recall, f1 });
  return {
    classes: classes.map((c, i) => ({ class: names[i] ?? String(i), ...scores(c), support: c.support })),
    macro: scores(macro),
    weighted: scores(weighted),
    matrix,
  };
}

/** One line of printable characters. */
export function short(name: string): string {
  const clean = name.replace(/\p{C}/gu, '?');
  return clean.length > LONGEST_NAME ? `${clean.slice(0, LONGEST_NAME - 3)}...` : clean;
}

function table({ classes, macro, weighted }: ClassificationReport, names: readonly string[]): string[] {
  const total = classes.reduce((n, c) => n + c.support, 0);
  const row = (name: string, { precision, recall, f1 }: ClassScores, support: number): string[] => [
    name,
    ...[precision, recall, f1].map((v) => v.toFixed(4)),
    String(support),
  ];
  return aligned([
    ['class', 'precision', 'recall', 'f1', 'images'],
    ...classes.map((c, i) => row(names[i] ?? String(i), c, c.support)),
    row('mean', macro, total),
    row('weighted mean', weighted, total),
  ]);
}

function matrixLines({ matrix }: ClassificationReport, names: readonly string[]): string[] {
  const rows = matrix.map((row, i) => [names[i] ?? String(i), ...row.map(String)]);
  return ['rows: the true class; columns: the answer', ...aligned([['', ...names], ...rows])];
}

function confusedLines({ matrix }: ClassificationReport, names: readonly string[]): string[] {
  const pairs = matrix.flatMap((row, i) =>
    row.flatMap((count, j) => (i !== j && count > 0 ? [{ count, i, j }] : [])),
  );
  // Array.sort is stable: equal counts stay in the order of the classes.
  const worst = pairs.sort((a, b) => b.count - a.count).slice(0, PAIRS);
  if (worst.length === 0) return ['no class was confused with another'];
  return [
    'most often confused',
    ...aligned([
      ['true class', 'answer', 'images'],
      ...worst.map(({ count, i, j }) => [names[i] ?? String(i), names[j] ?? String(j), String(count)]),
    ]),
  ];
}

/** Columns two blanks apart, the first aligned to the left and the others to the right. */
/** Rows of cells as lines: the first column to the left, the others to the right. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
