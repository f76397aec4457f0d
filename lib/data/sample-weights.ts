/** Weights of samples: how much each counts in a loss. */
import { OptionError } from '../errors';
import { nonNegative, show } from '../options';
import { gatherRows } from '../ops';
import { persistent, type PersistentTensor, type Tensor } from '../tensor/tensor';

/** Numbers of at least 0 in a list or a typed array, with a finite sum above 0. @throws OptionError */
export function nonNegativeNumbers(where: string, name: string, value: unknown): Float64Array {
  const listed = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
  if (!listed) throw new OptionError(`${where}: ${name} must be a list of numbers, got ${show(value)}`);
  const list = value as ArrayLike<unknown>;
  const numbers = new Float64Array(list.length);
  for (let i = 0; i < numbers.length; i++) numbers[i] = nonNegative(where, `${name}[${i}]`, list[i]);
  const total = numbers.reduce((sum, weight) => sum + weight, 0);
  if (!(total > 0 && total < Infinity))
    throw new OptionError(`${where}: ${name} must have a finite sum above 0, theirs is ${total}`);
  return numbers;
}

/** Weights by row of the samples below a set; rows that the set does not have do not matter. */
export class SampleWeights {
  private packed: PersistentTensor | undefined;

  private constructor(private readonly byRow: Float32Array) {}

  /**
   * `weights` of these rows, in their order. @throws OptionError for another number of them, one that is not
   * a finite f32 of at least 0, or a row that has two
   */
  static of(weights: ArrayLike<number>, rows: Int32Array, count: number): SampleWeights {
    const numbers = Float32Array.from(nonNegativeNumbers('withWeights', 'weights', weights));
    if (numbers.length !== rows.length)
      throw new OptionError(`withWeights: ${numbers.length} weights for ${rows.length} samples`);
    const byRow = new Float32Array(count).fill(NaN);
    rows.forEach((row, position) => {
      const [known, weight] = [byRow[row]!, numbers[position]!];
      if (weight === Infinity)
        throw new OptionError(`withWeights: weights[${position}] is too large for a float of 32 bits`);
      if (!Number.isNaN(known) && known !== weight)
        throw new OptionError(
          `withWeights: the sample at position ${position} comes more than once in the set, with weights ${known} and ${weight}`,
        );
      byRow[row] = weight;
    });
    return new SampleWeights(byRow);
  }

  /** Those of some rows, in their order. */
  at(rows: Int32Array): Float32Array {
    return Float32Array.from(rows, (row) => this.byRow[row]!);
  }

  /** Records those of a batch: rows `index` (i32 [B]) as f32 [B]. */
  batch(index: Tensor): Tensor {
    this.packed ??= persistent(this.byRow);
    return gatherRows(this.packed, index);
  }

  dispose(): void {
    this.packed?.dispose();
  }
}
