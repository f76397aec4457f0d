/** Samples in batches, as a program takes them: of a data set, or of one tensor. */
import { Dataset } from '../data/dataset';
import type { ChannelStatistics, Normalization } from '../data/samples';
import { DTypeError, DataError, ShapeError } from '../errors';
import { pair } from '../ops/checks';
import { checkList, checkObject, finite, show } from '../options';
import { formatShape, numel, type Shape } from '../tensor/shape';
import { tensor, Tensor } from '../tensor/tensor';

export interface Rows {
  readonly length: number;
  /** The shape of one sample. */
  readonly shape: Shape;
  /** Arguments of a program for the samples from `begin` to `end`. */
  args(begin: number, end: number): Promise<Tensor[]>;
  /** Records the samples of such arguments, f32 [B, ...shape]. */
  record(args: readonly Tensor[]): Tensor;
}

/**
 * Images scaled to 0..1, features as they are, unless `normalization` says otherwise.
 * @throws DataError, DTypeError, ShapeError
 */
export async function rowsOf(
  where: string,
  data: Dataset | Tensor,
  normalization?: Normalization,
): Promise<Rows> {
  if (normalization !== undefined) checkStatistics(where, normalization);
  if (data instanceof Dataset) return rowsOfDataset(where, data, normalization);
  if (data instanceof Tensor) return rowsOfTensor(where, data);
  throw new DTypeError(`${where}: expected a Dataset or a tensor [N, ...], got ${show(data)}`);
}

/** @throws OptionError unless it is { mean, std }, lists of numbers */
function checkStatistics(where: string, value: unknown): void {
  checkObject(where, 'normalization', value);
  for (const name of ['mean', 'std'] as const) {
    const list: unknown = (value as Partial<ChannelStatistics>)[name];
    checkList(where, `normalization.${name}`, list);
    for (const number of list) finite(where, `each of normalization.${name}`, number);
  }
  const { crop } = value as Partial<Normalization>;
  if (crop === undefined) return;
  checkList(where, 'normalization.crop', crop);
  pair(where, 'normalization.crop', crop, 1);
}

function rowsOfDataset(where: string, dataset: Dataset, normalization?: Normalization): Rows {
  if (dataset.length === 0) throw new DataError(`${where}: the data set is empty`);
  const recipe = dataset.plainRecipe(normalization ?? dataset.unscaled());
  const crop = dataset.kind === 'images' ? normalization?.crop : undefined;
  const shape = crop === undefined ? dataset.inputShape : [dataset.inputShape[0]!, ...crop];
  return {
    length: dataset.length,
    shape,
    async args(begin, end) {
      const positions = Int32Array.from({ length: end - begin }, (_, i) => begin + i);
      await dataset.ensure(positions);
      return [tensor(dataset.rowsAt(positions))];
    },
    record: ([index]) => dataset.batch({ index: index! }, recipe).inputs,
  };
}

async function rowsOfTensor(where: string, x: Tensor): Promise<Rows> {
  if (x.dtype !== 'f32') throw new DTypeError(`${where}: x must be f32, got ${x.dtype}`);
  const [length, ...shape] = x.shape;
  if (length === undefined) throw new ShapeError(`${where}: x must be [N, ...], got ${formatShape(x.shape)}`);
  if (x.size === 0) throw new DataError(`${where}: there are no samples in ${formatShape(x.shape)}`);
  const values = await x.data();
  const size = numel(shape);
  return {
    length,
    shape,
    args: async (begin, end) => [
      tensor(values.subarray(begin * size, end * size), [end - begin, ...shape], 'f32'),
    ],
    record: ([batch]) => batch!,
  };
}
