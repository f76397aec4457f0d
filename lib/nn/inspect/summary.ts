/** What a model is made of: layers with output shapes, parameters and work. */
import { OptionError } from '../../errors';
import { compile } from '../../compile/compile';
import { checkKeys, show } from '../../options';
import type { Parameter } from '../../tensor/parameter';
import { checkShape, numel, type Shape } from '../../tensor/shape';
import { tensor, type Tensor } from '../../tensor/tensor';
import { inEvalMode, type Modal } from '../mode';
import { observeForward, observeModes, type Observed } from '../observe';

/** Options of `model.summary`. */
export interface SummaryOptions {
  /** Shape of one input, without the batch: [1, 28, 28]. */
  readonly inputShape: Shape;
}

/** One layer of a model. */
export interface SummaryRow {
  /** Place in the model: `features.0`. */
  readonly path: string;
  /** Class of the layer. */
  readonly type: string;
  /** Its mode, 'train' or 'eval', where the layer's output depends on it: batch norm, dropout. */
  readonly mode?: 'train' | 'eval';
  /** Shape of the output for a batch of one. */
  readonly outputShape: Shape;
  /** Trainable numbers in the layer and below it; a tied parameter counts where it is named. */
  readonly parameters: number;
  /** Floating-point operations of the layer and those below it, forward, one example. */
  readonly flops: number;
}

/** `String(summary)` is a table. */
export interface Summary {
  /** In the order in which forward() ends; the model itself is not among them. */
  readonly rows: readonly SummaryRow[];
  readonly parameters: number;
  /** Parameters that are not frozen. */
  readonly trainable: number;
  /** Floating-point operations of one example, forward. */
  readonly flops: number;
  /** A table for a terminal. */
  toString(): string;
}

/** What a summary needs of a model. */
interface Summarized extends Modal, Observed {
  ensureInitialized(): unknown;
  namedParameters(): ReadonlyMap<string, Parameter>;
  forward(x: Tensor): Tensor;
}

function below(path: string, name: string): boolean {
  return path === '' || name === path || name.startsWith(`${path}.`);
}

export function summarize(model: Summarized, options: SummaryOptions): Summary {
  checkKeys('summary', options, ['inputShape']);
  const shape: unknown = options?.inputShape;
  if (!Array.isArray(shape))
    throw new OptionError(`summary: inputShape must be an array such as [1, 28, 28], got ${show(shape)}`);
  checkShape('summary', shape as number[]);
  model.ensureInitialized();
  const batch = [1, ...(shape as number[])];
  const outputs: [Observed, Tensor][] = [];
  const readers = new Set<Observed>();
  const run = compile(
    (x: Tensor) =>
      observeForward(
        (m, y) => outputs.push([m, y]),
        () => observeModes(readers, () => model.forward(x)),
      ),
    { fuse: false },
  );
  const calls = inEvalMode(model, () => run.prepare(tensor(new Float32Array(numel(batch)), batch)).profile());
  run.dispose();
  const parameters = [...model.namedParameters()];
  // Scopes are paths from the root, of which `model` may be a part.
  const flopsBelow = (path: string): number =>
    calls.reduce((n, call) => n + (below(path, call.scope) ? call.flops : 0), 0);
  const countBelow = (path: string): number =>
    parameters.reduce((n, [, p]) => n + (below(path, p.name) ? p.size : 0), 0);
  const rows = outputs
    .filter(([module]) => module !== model)
    .map(([module, y]) => ({
      path: module.path,
      type: module.constructor.name,
      ...(readers.has(module) && { mode: module.training ? ('train' as const) : ('eval' as const) }),
      outputShape: y.shape,
      parameters: countBelow(module.path),
      flops: flopsBelow(module.path),
    }));
  return {
    rows,
    parameters: count(parameters, () => true),
    trainable: count(parameters, (p) => p.requiresGrad),
    flops: calls.reduce((n, call) => n + call.flops, 0),
    toString(): string {
      return table(this);
    },
  };
}

function count(parameters: readonly [string, Parameter][], wanted: (p: Parameter) => boolean): number {
  return parameters.reduce((n, [, p]) => n + (wanted(p) ? p.size : 0), 0);
}

function grouped(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

function table(summary: Summary): string {
  const head = ['layer', 'type', 'mode', 'output shape', 'parameters', 'FLOPs'];
  const body = summary.rows.map((r) => [
    r.path,
    r.type,
    r.mode ?? '',
    `[${r.outputShape.join(', ')}]`,
    grouped(r.parameters),
    grouped(r.flops),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...body.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i < 4 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  const rule = widths.map((w) => '-'.repeat(w)).join('  ');
  const total = `${grouped(summary.parameters)} parameters (${grouped(summary.trainable)} trainable), ${grouped(summary.flops)} FLOPs an example`;
  return [line(head), rule, ...body.map(line), rule, total].join('\n');
}
