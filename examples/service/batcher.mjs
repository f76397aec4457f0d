// @ts-check
/**
 * The queue in front of a model. No image waits for others to come: a batch is what has come while the runs
 * before it computed. An image that nobody wants any more when its turn comes is dropped.
 */

/** One run computes while the next is being copied in. */
const RUNS_AT_ONCE = 2;

/**
 * @typedef {object} Waiting
 * @property {Uint8Array} pixels
 * @property {AbortSignal} signal
 * @property {(probabilities: Float32Array) => void} resolve
 * @property {(error: unknown) => void} reject
 */

export class Batcher {
  /** @type {Waiting[]} */
  #waiting = [];
  #running = 0;
  #predict;
  #maxBatch;

  /**
   * @param {(pixels: Uint8Array, images: number) => Promise<Float32Array>} predict rows of outputs for the
   *   pixels of one or more images
   * @param {number} maxBatch
   */
  constructor(predict, maxBatch) {
    this.#predict = predict;
    this.#maxBatch = maxBatch;
  }

  /** Images that wait for their run. */
  get length() {
    return this.#waiting.length;
  }

  /**
   * The outputs for one image.
   * @param {Uint8Array} pixels
   * @param {AbortSignal} signal
   * @returns {Promise<Float32Array>}
   */
  predict(pixels, signal) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ pixels, signal, resolve, reject });
      this.#start();
    });
  }

  #start() {
    while (this.#running < RUNS_AT_ONCE && this.#waiting.length > 0) {
      const batch = this.#take();
      if (batch.length > 0) void this.#run(batch);
    }
  }

  #take() {
    /** @type {Waiting[]} */
    const batch = [];
    while (batch.length < this.#maxBatch) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if (next.signal.aborted) next.reject(next.signal.reason);
      else batch.push(next);
    }
    return batch;
  }

  /** @param {Waiting[]} batch */
  async #run(batch) {
    this.#running++;
    try {
      const pixels = batch.map((image) => image.pixels);
      const outputs = await this.#predict(Buffer.concat(pixels), batch.length);
      const row = outputs.length / batch.length;
      batch.forEach(({ resolve }, i) => resolve(outputs.subarray(i * row, (i + 1) * row)));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#running--;
      this.#start();
    }
  }
}
