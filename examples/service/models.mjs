// @ts-check
/** The model that answers, and how another takes its place while requests are answered. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { data, load } from 'tenon';
import { Batcher } from './batcher.mjs';
import { Failure } from './failures.mjs';

/** A white pixel. */
const TINY_PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAADElEQVQImWP4//8/AAX+Av5Y8msOAAAAAElFTkSuQmCC',
  'base64',
);

/**
 * @typedef {object} ModelOptions
 * @property {number} maxBatch
 * @property {number} maxPixels
 * @property {(images: number) => void} onBatch called for each run
 * @property {(result: 'loaded' | 'refused') => void} onReload
 */
/** @typedef {import('tenon').nn.Module} Module */

/** A model that was loaded and tried. It is freed once it is retired and nobody uses it any more. */
export class LoadedModel {
  #model;
  #maxPixels;
  #batcher;
  #users = 0;
  #retired = false;

  /**
   * @param {Module} model
   * @param {{ file: string, version: string, modified: Date, classes: string[] }} facts
   * @param {ModelOptions} options
   */
  constructor(model, facts, { maxBatch, maxPixels, onBatch }) {
    this.#model = model;
    this.facts = { ...facts, loaded: new Date(), preprocessing: model.preprocessing };
    this.#maxPixels = maxPixels;
    this.#batcher = new Batcher((pixels, images) => {
      onBatch(images);
      return model.predict(pixels, { output: 'probabilities' });
    }, maxBatch);
  }

  /**
   * Loads a file and tries the model, so that one that cannot answer never takes over. Programs for all sizes
   * of batches are compiled here, and no request waits for that.
   * @param {string} file
   * @param {ModelOptions} options
   */
  static async read(file, options) {
    // The bytes that are hashed are those that are loaded, even if the file is replaced meanwhile.
    const [bytes, { mtime }] = await Promise.all([readFile(file), stat(file)]);
    const version = createHash('sha256').update(bytes).digest('hex');
    const model = await load(bytes);
    try {
      const outputs = await tryOut(model, options.maxBatch);
      const classes = model.classNames ?? Array.from({ length: outputs }, (_, i) => String(i));
      if (classes.length !== outputs)
        throw new Error(`the model has ${outputs} outputs and ${classes.length} class names`);
      return new LoadedModel(model, { file, version, modified: mtime, classes: [...classes] }, options);
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /** Images that wait for their run. */
  get waiting() {
    return this.#batcher.length;
  }

  /**
   * @param {Uint8Array} image a JPEG, PNG or WebP file
   * @param {AbortSignal} signal
   * @returns {Promise<Float32Array>} the probability of each class
   */
  async predict(image, signal) {
    const pixels = await data.decode(image, this.#model, { maxPixels: this.#maxPixels, signal });
    return this.#batcher.predict(pixels, signal);
  }

  /**
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async use(work) {
    this.#users++;
    try {
      return await work();
    } finally {
      this.#users--;
      this.#freeIfUnused();
    }
  }

  retire() {
    this.#retired = true;
    this.#freeIfUnused();
  }

  #freeIfUnused() {
    if (this.#retired && this.#users === 0) this.#model.dispose();
  }
}

/**
 * Decodes an image and predicts batches of every size.
 * @param {Module} model
 * @param {number} maxBatch
 * @returns {Promise<number>} how many outputs the model has
 */
async function tryOut(model, maxBatch) {
  const pixels = await data.decode(TINY_PNG, model);
  let outputs = 0;
  for (let images = 1; images <= maxBatch; images++) {
    const batch = Buffer.concat(Array.from({ length: images }, () => pixels));
    const probabilities = await model.predict(batch, { output: 'probabilities' });
    if (!probabilities.every(Number.isFinite))
      throw new Error('the model answers with numbers that are not finite');
    outputs = probabilities.length / images;
  }
  return outputs;
}

export class Models {
  /** @type {LoadedModel | undefined} */
  #current;
  #loading = false;
  #file;
  #options;

  /**
   * @param {string} file
   * @param {ModelOptions} options
   */
  constructor(file, options) {
    this.#file = file;
    this.#options = options;
  }

  get current() {
    return this.#current;
  }

  /**
   * Lets `work` use the current model to its end, also when another takes its place meanwhile.
   * @template T
   * @param {(model: LoadedModel) => Promise<T>} work
   * @returns {Promise<T>}
   * @throws {Failure} before the first model is loaded
   */
  async use(work) {
    const model = this.#current;
    if (model === undefined)
      throw new Failure(503, 'LOADING', 'the model is being loaded', { retryAfter: 1 });
    return model.use(() => work(model));
  }

  /**
   * Loads the file beside the current model and puts it in that one's place, for requests that begin from
   * then on. Whatever goes wrong, the current model stays.
   * @returns {Promise<{ changed: boolean, model: LoadedModel }>}
   * @throws {Failure} for a file that cannot be used, and while another is being loaded
   */
  async reload() {
    if (this.#loading) throw new Failure(409, 'RELOADING', 'a model is being loaded already');
    this.#loading = true;
    try {
      const model = await LoadedModel.read(this.#file, this.#options);
      const before = this.#current;
      this.#current = model;
      before?.retire();
      this.#options.onReload('loaded');
      return { changed: before?.facts.version !== model.facts.version, model };
    } catch (error) {
      this.#options.onReload('refused');
      const { message } = /** @type {Error} */ (error);
      throw new Failure(422, 'BAD_MODEL', message, { cause: error });
    } finally {
      this.#loading = false;
    }
  }
}
