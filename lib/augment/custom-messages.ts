/** What the JavaScript thread and the workers of a custom augmentation tell each other. */
import type { CustomImages } from './custom-images';

/** What a worker is started with. */
export interface WorkerStart {
  /** The URL of the module whose default export is the function. */
  readonly module: string;
}

/** Images in shared memory, which the worker changes where they are. */
export interface ToWorker extends CustomImages {
  /** One number in shared memory, which the worker raises before each image. */
  readonly begun: Int32Array;
}

/** One of the images cannot be changed. */
export interface Failed {
  readonly type: 'failed';
  readonly index: number;
  readonly problem: string;
  readonly stack?: string;
}

export type FromWorker =
  | { readonly type: 'loaded' }
  | { readonly type: 'broken'; readonly problem: string }
  | { readonly type: 'done' }
  | Failed;
