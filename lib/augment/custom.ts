/**
 * A user's own function at the head of the list: it runs before the step, one image at a time, on the
 * JavaScript thread or in workers.
 */
import { defaultFunction, moduleUrl } from '../files/modules';
import { OptionError } from '../errors';
import { checkFunction, messageOf } from '../options';
import {
  declareSettings,
  integer,
  nonEmptyString,
  number,
  probability,
  type OptionsOf,
  type ValuesOf,
} from '../settings';
import type { Augmentation, ImageBatch } from './augmentation';
import { changeImages, type CustomFunction, type CustomImages } from './custom-images';
import { CustomPool, LoadFault } from './custom-pool';

const settings = declareSettings({
  name: nonEmptyString('What errors call it.', { default: 'custom' }),
  p: probability('Probability that it happens.', { default: 1 }),
});

/** Each is a thread with a heap of its own. */
const MOST_WORKERS = 256;
/** A day; timers take no more than 2^31. */
const MOST_MS = 86_400_000;

const moduleSettings = declareSettings({
  ...settings.declared,
  workers: integer({ minimum: 0, maximum: MOST_WORKERS })(
    'Worker threads that share a batch. 0: it runs on the JavaScript thread.',
    { default: 1 },
  ),
  timeoutMs: number({ minimum: 1, maximum: MOST_MS })(
    'Milliseconds that a worker may take to load the module, and for an image.',
    { default: 60_000 },
  ),
});

export type CustomOptions = OptionsOf<typeof settings>;
export type CustomModuleOptions = OptionsOf<typeof moduleSettings>;

/** What changes images during a run. */
export interface Changer {
  /** Whether images have to lie in shared memory. */
  readonly shared: boolean;
  /** @throws ImageFault, LoadFault */
  change(images: CustomImages): Promise<void>;
  close(): Promise<void>;
}

export abstract class CustomAugmentation implements Augmentation {
  readonly settings: Readonly<Record<string, unknown>>;

  constructor(
    readonly name: string,
    readonly p: number,
    more: Readonly<Record<string, unknown>> = {},
  ) {
    this.settings = { p, ...more };
  }

  /** What messages call it. */
  get called(): string {
    return this.name;
  }

  /** Everything happened before the step. */
  record(batch: ImageBatch): ImageBatch {
    return batch;
  }

  /** What changes images until it is closed. */
  abstract open(): Changer;
}

class FunctionAugmentation extends CustomAugmentation {
  constructor(
    private readonly fn: CustomFunction,
    { name, p }: ValuesOf<typeof settings>,
  ) {
    super(name, p);
  }

  open(): Changer {
    return here(() => Promise.resolve(this.fn));
  }
}

class ModuleAugmentation extends CustomAugmentation {
  constructor(
    private readonly module: string,
    private readonly options: ValuesOf<typeof moduleSettings>,
  ) {
    const { name, p, workers } = options;
    super(name, p, { module, workers });
  }

  override get called(): string {
    return `${this.name} of ${this.module}`;
  }

  open(): Changer {
    const { module } = this;
    const { workers, timeoutMs } = this.options;
    if (workers === 0) return here(() => loaded(module));
    const pool = new CustomPool({ module, workers, timeoutMs });
    return { shared: true, change: (images) => pool.change(images), close: () => pool.close() };
  }
}

/** Runs a function on this thread. */
function here(load: () => Promise<CustomFunction>): Changer {
  return {
    shared: false,
    change: async (images) => changeImages(await load(), images),
    close: () => Promise.resolve(),
  };
}

async function loaded(module: string): Promise<CustomFunction> {
  try {
    return (await defaultFunction(module)) as CustomFunction;
  } catch (cause) {
    throw new LoadFault(messageOf(cause), { cause });
  }
}

/**
 * An augmentation of your own: a function on the bytes of one image. It must stand at the head of the list;
 * it runs before the step, while the steps before it compute. A function runs on the JavaScript thread, and
 * may return a promise. A module (a path from the working directory, or a URL) whose default export is the
 * function runs in `workers` threads that share the images of each batch, with the same result.
 *
 * `augment.custom('./grain.mjs', { workers: 2 })`
 * @throws OptionError
 */
export function custom(fn: CustomFunction, options?: CustomOptions): Augmentation;
export function custom(module: string | URL, options?: CustomModuleOptions): Augmentation;
export function custom(given: CustomFunction | string | URL, options?: CustomModuleOptions): Augmentation {
  const where = 'augment.custom';
  if (typeof given === 'string' || given instanceof URL) {
    const read = moduleSettings.read(where, options);
    return new ModuleAugmentation(moduleUrl(where, 'the function', given), read);
  }
  checkFunction(where, 'fn', given);
  if (options?.workers !== undefined)
    throw new OptionError(
      `${where}: a function runs on the JavaScript thread; for workers, pass the path of a module whose default export it is`,
    );
  return new FunctionAugmentation(given, settings.read(where, options));
}

/** Whether a list begins with augmentations that run before the step. */
export function runsBefore(list: readonly Augmentation[]): boolean {
  return list[0] instanceof CustomAugmentation;
}
