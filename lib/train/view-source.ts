/** Batches of a data set of which a step sees one view at a time. */
import type { Dataset } from '../data/dataset';
import { checkDatasetViews, viewBatch } from '../data/dataset-views';
import { windowOf } from '../data/preprocessing';
import type { Recorded, WindowRecipe } from '../data/samples';
import { viewTensor, type View } from '../data/views';
import { OptionError } from '../errors';
import type { Module } from '../nn/module';
import type { Tensor } from '../tensor/tensor';
import type { BatchSource, EpochBatches } from './batch-source';
import { plainSource } from './inputs';

export class ViewSource implements BatchSource {
  constructor(
    private readonly plain: BatchSource,
    private readonly dataset: Dataset,
    private readonly recipe: WindowRecipe,
    /** What `record` takes behind a batch, for each view. */
    readonly views: readonly (readonly Tensor[])[],
  ) {}

  get batchesPerEpoch(): number | undefined {
    return this.plain.batchesPerEpoch;
  }

  get stepsPerEpoch(): number | undefined {
    return this.plain.stepsPerEpoch;
  }

  get highestLabel(): number | undefined {
    return this.plain.highestLabel;
  }

  stepOf(batch: number): number {
    return this.plain.stepOf(batch);
  }

  open(epoch: number, start: number): Promise<EpochBatches> {
    return this.plain.open(epoch, start);
  }

  /**
   * Records a view where one is given. Without a view, inputs of images whose size differs from the model's
   * are of no use.
   */
  record([index, view]: readonly Tensor[]): Recorded {
    if (view === undefined) return this.plain.record([index!]);
    return viewBatch(this.dataset.part, index!, view, this.recipe);
  }
}

/** @throws OptionError where the model does not say what it takes; ShapeError for windows that do not fit */
export async function viewSource(
  where: string,
  model: Module,
  set: { readonly data: Dataset; readonly batchSize: number; readonly views: readonly View[] },
): Promise<ViewSource> {
  const { data, batchSize, views } = set;
  const { preprocessing } = model;
  if (preprocessing === undefined)
    throw new OptionError(
      `${where}: crops and scales need model.preprocessing (height, width, channels, mean, std), which training on images sets`,
    );
  checkDatasetViews(where, data.part, views, preprocessing);
  const { mean, std } = preprocessing;
  const recipe = { mean, std, size: windowOf(preprocessing) };
  const operands = views.map((view) => [viewTensor(view)]);
  return new ViewSource(await plainSource(model, data, batchSize), data, recipe, operands);
}
