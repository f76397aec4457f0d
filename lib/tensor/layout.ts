/** Conversion between logical (N, C, H, W row-major) and physical (channels-last) order, for import and export. */
import type { AnyArray } from '../native';
import { isLayoutTrivial, type Shape } from './shape';

function transposeInner(data: AnyArray, outer: number, rows: number, columns: number): AnyArray {
  const out = data.slice();
  const size = rows * columns;
  for (let n = 0; n < outer; n++) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) out[n * size + c * rows + r] = data[n * size + r * columns + c]!;
    }
  }
  return out;
}

/** Logical order to memory order. Returns `data` itself where the two agree. */
export function toPhysicalOrder(data: AnyArray, shape: Shape): AnyArray {
  if (isLayoutTrivial(shape)) return data;
  return transposeInner(data, shape[0]!, shape[1]!, shape[2]! * shape[3]!);
}

/** Memory order to logical order. Returns `data` itself where the two agree. */
export function toLogicalOrder(data: AnyArray, shape: Shape): AnyArray {
  if (isLayoutTrivial(shape)) return data;
  return transposeInner(data, shape[0]!, shape[2]! * shape[3]!, shape[1]!);
}
