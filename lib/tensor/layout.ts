/**
 * Conversion between logical (N, C, H, W row-major) and physical (channels-last) order, for
 * import and export.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AnyArray } from '../native';
import { isLayoutTrivial, type Shape } from './shape';

/** Each of `count` matrices of rows x columns is to be transposed. */
interface Transposition {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
}

function toPhysical(shape: Shape): Transposition {
  return { count: shape[0]!, rows: shape[1]!, columns: shape[2]! * shape[3]! };
}

function toLogical(shape: Shape): Transposition {
  return { count: shape[0]!, rows: shape[2]! * shape[3]!, columns: shape[1]! };
}

/** Matrices [begin, end) of `data` into `out`. */
function transpose(
  data: AnyArray,
  out: AnyArray,
  { rows, columns }: Transposition,
  begin: number,
  end: number,
): void {
  const size = rows * columns;
  for (let n = begin; n < end; n++) {
    for (let r = 0; r < rows; r++) {
      const from = n * size + r * columns;
      const to = n * size + r;
      for (let c = 0; c < columns; c++) out[to + c * rows] = data[from + c]!;
    }
  }
}

/** About a millisecond of copying between two turns of the event loop. */
const elementsPerTurn = 2 ** 18;

async function transposeInTurns(data: AnyArray, t: Transposition): Promise<AnyArray> {
  const out = data.slice();
  const step = Math.max(1, Math.floor(elementsPerTurn / (t.rows * t.columns)));
  for (let n = 0; n < t.count; n += step) {
    transpose(data, out, t, n, Math.min(n + step, t.count));
    if (n + step < t.count) await nextTurn();
  }
  return out;
}

function transposeNow(data: AnyArray, t: Transposition): AnyArray {
  const out = data.slice();
  transpose(data, out, t, 0, t.count);
  return out;
}

/**
 * Logical order to memory order, leaving the event loop its turns. Returns `data` itself where the two agree.
 */
export async function toPhysicalOrder(data: AnyArray, shape: Shape): Promise<AnyArray> {
  return isLayoutTrivial(shape) ? data : transposeInTurns(data, toPhysical(shape));
}

/**
 * Memory order to logical order, leaving the event loop its turns. Returns `data` itself where the two agree.
 */
export async function toLogicalOrder(data: AnyArray, shape: Shape): Promise<AnyArray> {
  return isLayoutTrivial(shape) ? data : transposeInTurns(data, toLogical(shape));
}

export function toPhysicalOrderSync(data: AnyArray, shape: Shape): AnyArray {
  return isLayoutTrivial(shape) ? data : transposeNow(data, toPhysical(shape));
}

export function toLogicalOrderSync(data: AnyArray, shape: Shape): AnyArray {
  return isLayoutTrivial(shape) ? data : transposeNow(data, toLogical(shape));
}
