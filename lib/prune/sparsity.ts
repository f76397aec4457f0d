/** How many weights a model has left. */
import type { Module } from '../nn/module';
import { checkModel, isWeight } from './masks';
import { count } from './select';

/** How much of one parameter is left. */
export interface SparsityRow {
  /** The parameter's name. */
  readonly name: string;
  readonly total: number;
  /** Elements that are not pruned. */
  readonly remaining: number;
}

/** `String(sparsity)` is a table. */
export interface Sparsity {
  /** Weights of rank 2 or more, and other parameters that are pruned. */
  readonly parameters: readonly SparsityRow[];
  readonly total: number;
  readonly remaining: number;
  /** A table for a terminal. */
  toString(): string;
}

/** Counts what masks keep, of weights of rank 2 or more and of other parameters that have a mask. */
export async function sparsity(model: Module): Promise<Sparsity> {
  checkModel('prune.sparsity', model);
  const counted = [...model.namedParameters()].filter(([, p]) => isWeight(p) || p.mask !== undefined);
  const parameters = await Promise.all(
    counted.map(async ([name, { size, mask }]) => ({
      name,
      total: size,
      remaining: mask === undefined ? size : count(await mask.data()),
    })),
  );
  const sum = (of: (row: SparsityRow) => number): number => parameters.reduce((n, row) => n + of(row), 0);
  const [total, left] = [sum((row) => row.total), sum((row) => row.remaining)];
  return { parameters, total, remaining: left, toString: () => table(parameters, total, left) };
}

function table(rows: readonly SparsityRow[], total: number, remaining: number): string {
  const cells = [
    ['parameter', 'remaining', 'of', ''],
    ...[...rows, { name: 'all', total, remaining }].map((row) => [
      row.name,
      String(row.remaining),
      String(row.total),
      `${((100 * row.remaining) / Math.max(1, row.total)).toFixed(1)} %`,
    ]),
  ];
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return cells.map((row) => line(row).trimEnd()).join('\n');
}
