/** Takes batches through the custom augmentations that a list begins with. */
import { DataError, OptionError } from '../errors';
import { clip } from '../options';
import { streamKey, type StreamKey } from '../random';
import type { Augmentation } from './augmentation';
import { CustomAugmentation, type Changer } from './custom';
import { ImageFault, type CustomImages } from './custom-images';
import { LoadFault } from './custom-pool';

/** Images of a batch, before the step. */
export interface CustomBatch extends Omit<CustomImages, 'key' | 'place' | 'p'> {
  /** What messages call a sample: its file. */
  readonly describe: (sample: number) => string | undefined;
}

export class CustomRun {
  private readonly opened: readonly { readonly item: CustomAugmentation; readonly changer: Changer }[];
  private readonly key: StreamKey;

  constructor(list: readonly Augmentation[], seed: number) {
    const end = list.findIndex((item) => !(item instanceof CustomAugmentation));
    const items = (end < 0 ? list : list.slice(0, end)) as readonly CustomAugmentation[];
    this.opened = items.map((item) => ({ item, changer: item.open() }));
    this.key = streamKey(seed, 'augment');
  }

  /** Whether workers change images, which can do so ahead of the steps. */
  get inWorkers(): boolean {
    return this.opened.some(({ changer }) => changer.shared);
  }

  /**
   * The images as the augmentations leave them.
   * @throws DataError naming the sample for which a function throws or returns something else, or for which
   *   its worker dies; OptionError for a module that cannot be loaded
   */
  async change(batch: CustomBatch): Promise<Uint8Array> {
    const { describe: _, ...images } = batch;
    const { length } = batch.pixels;
    const pixels = new Uint8Array(this.inWorkers ? new SharedArrayBuffer(length) : new ArrayBuffer(length));
    pixels.set(batch.pixels);
    for (const [index, { item, changer }] of this.opened.entries()) {
      try {
        await changer.change({ ...images, pixels, key: this.key, place: index + 1, p: item.p });
      } catch (error) {
        throw explained(error, `augment: ${clip(item.called)}`, batch);
      }
    }
    return pixels;
  }

  /** Ends the workers. */
  async close(): Promise<void> {
    await Promise.all(this.opened.map(({ changer }) => changer.close()));
  }
}

function explained(error: unknown, where: string, { samples, describe }: CustomBatch): unknown {
  if (error instanceof LoadFault)
    return new OptionError(`${where} cannot be used: ${clip(error.message)}`, { cause: error.cause });
  if (!(error instanceof ImageFault)) return error;
  const sample = samples[error.index]!;
  const file = describe(sample);
  const named = `sample ${sample}${file === undefined ? '' : ` (${clip(file)})`}`;
  return new DataError(`${where}: ${named}: ${clip(error.message)}`, { cause: error.cause });
}
