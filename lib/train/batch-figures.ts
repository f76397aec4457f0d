/** What an evaluation finds of each batch, added up in the order of batches, whoever evaluated them. */
import type { Ranks } from './ranks';
import { averagesOf, type Evaluation } from './totals';

/** Sums over the samples of a batch. */
export interface BatchFigures {
  readonly loss: number;
  /** What the mean loss was divided by; undefined where that is the number of samples. */
  readonly weight: number | undefined;
  /** Samples classified correctly; undefined where there are no classes. */
  readonly correct: number | undefined;
  readonly samples: number;
}

const KEYS = ['loss', 'weight', 'correct', 'samples'] as const;

/** The means over all samples, with the bits of `Totals`. */
export function evaluationOf(batches: readonly BatchFigures[]): Evaluation {
  const sum = (key: keyof BatchFigures): number =>
    batches.reduce((total, batch) => total + (batch[key] ?? 0), 0);
  const [first] = batches;
  return averagesOf({
    ...{ lossSum: sum('loss'), correct: sum('correct'), samples: sum('samples') },
    classes: first?.correct !== undefined,
    ...(first?.weight !== undefined && { weight: sum('weight') }),
  });
}

/** The figures of all ranks, each of which has those of neighbouring batches. */
export async function gatherFigures(ranks: Ranks, own: readonly BatchFigures[]): Promise<BatchFigures[]> {
  // As bytes: JSON has no NaN.
  const numbers = Float64Array.from(own.flatMap((batch) => KEYS.map((key) => batch[key] ?? 0)));
  const [first] = own;
  const mine = {
    bytes: Buffer.from(numbers.buffer).toString('base64'),
    absent: first === undefined ? null : KEYS.filter((key) => first[key] === undefined),
  };
  const all = await ranks.gather(mine);
  const absent = new Set<string>(all.find((rank) => rank.absent !== null)?.absent ?? []);
  return all.flatMap(({ bytes }) => {
    const { buffer, byteOffset, byteLength } = Buffer.from(bytes, 'base64');
    const values = new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength));
    return Array.from({ length: values.length / KEYS.length }, (_, i) => {
      const entries = KEYS.map((key, k) => [key, absent.has(key) ? undefined : values[i * KEYS.length + k]]);
      return Object.fromEntries(entries) as BatchFigures;
    });
  });
}
