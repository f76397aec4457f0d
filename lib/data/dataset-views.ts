/** Views of the images of a data set. */
import { OptionError, ShapeError } from '../errors';
import { gatherRows } from '../ops';
import { clip } from '../options';
import type { Tensor } from '../tensor/tensor';
import type { Part } from './concat';
import { windowOf, type Preprocessing } from './preprocessing';
import type { WindowRecipe } from './samples';
import { recordView } from './stored-images';
import { checkViews, type View } from './views';

/**
 * Checks that all images of a data set, by its `part`, have these views. @throws OptionError
 * for features; ShapeError
 */
export function checkDatasetViews(
  where: string,
  { samples, rows }: Part,
  views: readonly View[],
  preprocessing: Preprocessing,
): void {
  const { channels } = preprocessing;
  const stored = samples.stored();
  if (stored === undefined)
    throw new OptionError(`${where}: crops and scales are for images, this set is of features`);
  if (stored.channels !== channels)
    throw new ShapeError(
      `${where}: the model takes images of ${channels} channels, those of the data set have ${stored.channels}`,
    );
  rows.forEach((row, position) => {
    const describe = (): string => clip(samples.names?.[row] ?? `image ${position}`);
    checkViews(where, views, windowOf(preprocessing), stored.sizeOf(row), describe);
  });
}

/**
 * As `Dataset.batch`, with one view of each image: `view` as for `ops.viewCrops`. After `checkDatasetViews`.
 */
export function viewBatch(
  { samples }: Part,
  index: Tensor,
  view: Tensor,
  recipe: WindowRecipe,
): { inputs: Tensor; targets: Tensor } {
  const inputs = recordView(samples.stored()!, index, view, recipe);
  return { inputs, targets: gatherRows(samples.targets, index) };
}
