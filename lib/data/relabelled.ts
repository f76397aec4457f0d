/**
 * Samples under other class numbers. It shares the inputs of the samples below it, in the same memory, and
 * has its own labels.
 */
import type { Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import type { ResizeRule } from './decode';
import {
  packLabels,
  type BatchRows,
  type ChannelStatistics,
  type ImageRecipe,
  type Recorded,
  type Samples,
  type StoredImages,
} from './samples';

export class Relabelled implements Samples {
  readonly kind: 'images' | 'features';
  readonly length: number;
  readonly shape: Shape;
  readonly targets: Tensor;
  readonly resize?: ResizeRule;
  readonly names?: readonly string[];
  readonly base: Samples;

  /** Labels of rows that no data set refers to do not matter. */
  constructor(
    samples: Samples,
    readonly labels: Int32Array,
    readonly classNames: readonly string[],
  ) {
    this.base = samples instanceof Relabelled ? samples.base : samples;
    this.kind = samples.kind;
    this.length = samples.length;
    this.shape = samples.shape;
    if (samples.resize !== undefined) this.resize = samples.resize;
    if (samples.names !== undefined) this.names = samples.names;
    this.targets = packLabels(labels);
  }

  ensure(rows: Int32Array, signal?: AbortSignal): Promise<void> | undefined {
    return this.base.ensure(rows, signal);
  }

  values(rows: Int32Array): Promise<Uint8Array | Float32Array> {
    return this.base.values(rows);
  }

  statistics(rows: Int32Array): Promise<ChannelStatistics | undefined> {
    return this.base.statistics(rows);
  }

  batch(rows: BatchRows, targets: Tensor, recipe: ImageRecipe): Recorded {
    return this.base.batch(rows, targets, recipe);
  }

  get ownSizes(): boolean {
    return this.base.ownSizes;
  }

  stored(): StoredImages | undefined {
    return this.base.stored();
  }

  dispose(): void {
    this.targets.dispose();
    this.base.dispose();
  }
}
