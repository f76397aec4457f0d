/** Long loops over rows, cut so that the event loop turns. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Bytes copied or scanned in one turn of the event loop: about half a millisecond. */
const SLICE_BYTES = 1 << 19;

/** Calls `work` on ranges of rows small enough that the event loop stays free, with a turn between. */
export async function inSlices(
  rows: number,
  rowBytes: number,
  work: (begin: number, end: number) => void,
): Promise<void> {
  const step = Math.max(1, Math.floor(SLICE_BYTES / Math.max(1, rowBytes)));
  for (let begin = 0; begin < rows; begin += step) {
    if (begin > 0) await nextTurn();
    work(begin, Math.min(rows, begin + step));
  }
}
