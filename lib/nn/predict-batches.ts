/** What predictions run over: arrays and data sets in batches, and outputs put together again. */
import type { Dataset } from '../data/dataset';
import { DataError, ShapeError } from '../errors';
import { checkAttached } from '../tensor/dtype';
import { formatShape, numel, type Shape } from '../tensor/shape';
import { tensor, Tensor } from '../tensor/tensor';

/** How the rows of a batch become a tensor. */
export type Take = (data: Uint8Array | Float32Array, shape: Shape) => Tensor;

/**
 * Batches of at most `batchSize` rows of `shape`, made by `take` as they are asked for.
 * @throws ShapeError at once
 */
export function cut(
  data: Uint8Array | Float32Array,
  shape: Shape,
  batchSize: number,
  take: Take,
): Iterable<Tensor> {
  checkAttached('predict', data);
  const row = numel(shape);
  const rows = row === 0 ? 0 : data.length / row;
  if (rows === 0 || !Number.isInteger(rows)) {
    throw new ShapeError(
      `predict: expected a multiple of ${row} values (${formatShape(shape)} each), got ${data.length}`,
    );
  }
  return batchesOf(data, shape, rows, batchSize, take);
}

function* batchesOf(
  data: Uint8Array | Float32Array,
  shape: Shape,
  rows: number,
  batchSize: number,
  take: Take,
): Iterable<Tensor> {
  const row = numel(shape);
  const { length } = data;
  for (let from = 0; from < rows; from += batchSize) {
    if (data.length !== length) throw new DataError('predict: the array was detached or resized meanwhile');
    const to = Math.min(rows, from + batchSize);
    yield take(data.subarray(from * row, to * row), [to - from, ...shape]);
  }
}

/** Rows of a data set, each batch a promise where it has images to decode. */
export function* batchesOfDataset(
  dataset: Dataset,
  batchSize: number,
  signal: AbortSignal | undefined,
): Iterable<Tensor | Promise<Tensor>> {
  for (let from = 0; from < dataset.length; from += batchSize) {
    const length = Math.min(batchSize, dataset.length - from);
    const positions = Int32Array.from({ length }, (_, i) => from + i);
    const rows = tensor(dataset.rowsAt(positions));
    const decoding = dataset.ensure(positions, signal);
    const ready = decoding?.then(() => rows);
    // Whoever takes this batch sees the failure; if nobody wants it any more, nobody needs to.
    ready?.catch(() => undefined);
    yield ready ?? rows;
  }
}

/** @throws DataError */
export function requireDecoded(batch: Tensor | Promise<Tensor>): Tensor {
  if (batch instanceof Tensor) return batch;
  throw new DataError('predictSync: images of this data set are not decoded yet; await predict instead');
}

/**
 * Outputs in the order of their batches: each the mean over the views of a batch, which come one
 * after the other.
 */
export class Outputs {
  private readonly parts: Float32Array[] = [];
  private sums: Float64Array | undefined;
  private seen = 0;

  constructor(private readonly views: number) {}

  /** The outputs for the next view, or batch where there is one view. */
  add(outputs: Tensor): void {
    const values = valuesOf(outputs);
    if (this.views === 1) {
      this.parts.push(values);
      return;
    }
    const sums = (this.sums ??= new Float64Array(values.length));
    values.forEach((value, i) => (sums[i]! += value));
    if (++this.seen < this.views) return;
    this.parts.push(Float32Array.from(sums, (sum) => sum / this.views));
    this.sums = undefined;
    this.seen = 0;
  }

  /** All of them, one after the other. */
  joined(): Float32Array {
    return join(this.parts);
  }
}

function valuesOf(outputs: Tensor): Float32Array {
  const source = outputs.source;
  if (source.kind !== 'host') throw new ShapeError('predict: internal error, the output has no values');
  return Object.prototype.toString.call(source.array) === '[object Float32Array]'
    ? (source.array as Float32Array)
    : Float32Array.from(source.array);
}

function join(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
