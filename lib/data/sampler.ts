/** Samplers: which samples of a set an epoch draws, where that is not each of them once. */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { OptionError } from '../errors';
import { nearest, show } from '../options';
import { philox } from '../philox';
import { streamKey } from '../random';
import { declareSettings, kind, type OptionsOf } from '../settings';
import type { Dataset } from './dataset';
import { nonNegativeNumbers } from './sample-weights';

/** Draws made in one turn of the event loop: about two milliseconds. */
const SLICE = 1 << 13;

/** The most draws of an epoch: their positions take a gibibyte. */
const MOST_DRAWS = 2 ** 28;

/** What an epoch draws, in order. */
export interface Drawn {
  /** Positions in the set. */
  readonly positions: Int32Array;
  /** How often the sample of each draw came before in this epoch; absent: never. */
  readonly occurrence?: Int32Array;
}

type Weights = ArrayLike<number> | 'balanced';

const settings = declareSettings({
  weights: kind<Float64Array | 'balanced', Weights>({ check: checkWeights, domain: { type: 'other' } })(
    "How likely each sample is to be drawn, in proportion; one number for each sample of fit's data set. 'balanced': each class is as likely as any other.",
  ),
  numSamples: kind<number>({
    check: (where, name, value) => {
      if (Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= MOST_DRAWS)
        return value as number;
      throw new OptionError(`${where}: ${name} must be a whole number from 1 to 2^28, got ${show(value)}`);
    },
    domain: { type: 'integer', minimum: 1, maximum: MOST_DRAWS },
  })('Draws in an epoch. Default: as many as the set has samples.', { optional: true }),
});

export type WeightedRandomSamplerOptions = OptionsOf<typeof settings>;

function checkWeights(where: string, name: string, value: unknown): Float64Array | 'balanced' {
  if (value === 'balanced') return value;
  if (typeof value !== 'string') return nonNegativeNumbers(where, name, value);
  const hint = nearest(value, ['balanced']) === undefined ? '' : ' (did you mean "balanced"?)';
  throw new OptionError(`${where}: ${name} must be numbers or "balanced", got ${show(value)}${hint}`);
}

/** Made by {@link weightedRandomSampler}. */
export class WeightedRandomSampler {
  private readonly weights: Float64Array | 'balanced';
  private readonly numSamples: number | undefined;

  constructor(options: WeightedRandomSamplerOptions) {
    const where = 'data.weightedRandomSampler';
    ({ weights: this.weights, numSamples: this.numSamples } = settings.read(where, options));
  }

  /** @internal Draws in an epoch over a set. */
  count(data: Dataset): number {
    return this.numSamples ?? data.length;
  }

  /** @internal @throws OptionError for a set of another length, or one without classes to balance */
  check(where: string, data: Dataset): void {
    const { weights } = this;
    if (weights === 'balanced') {
      if (!data.labelled)
        throw new OptionError(
          `${where}: the sampler is 'balanced', but the targets of the set are numbers, not classes`,
        );
    } else if (weights.length !== data.length) {
      throw new OptionError(
        `${where}: the sampler has ${weights.length} weights, but the set has ${data.length} samples`,
      );
    }
    if (data.length > MOST_DRAWS)
      throw new OptionError(`${where}: the sampler draws at most 2^28 samples; give it numSamples`);
  }

  /** @internal A digest of what decides the draws, besides the set. */
  get fingerprint(): string {
    const { weights } = this;
    const digest = createHash('sha256').update(`${this.numSamples ?? 'all'} `);
    const bytes = typeof weights === 'string' ? weights : new Uint8Array(weights.buffer);
    return digest.update(bytes).digest('hex').slice(0, 16);
  }

  /**
   * @internal The draws of an epoch, a function of the seed, the epoch, the set and the weights: draw i
   *   compares 53 bits of Philox, words 2 (i mod 2) and the next at the counter (i / 2, 0, 0, epoch), with
   *   the running sum of weights. The event loop turns every two milliseconds.
   */
  async draw(data: Dataset, seed: number, epoch: number): Promise<Drawn> {
    const sums = runningSums(this.weights === 'balanced' ? balanced(data) : this.weights);
    const total = sums[sums.length - 1]!;
    const key = streamKey(seed, 'weighted sampler');
    const words = new Uint32Array(4);
    const positions = new Int32Array(this.count(data));
    for (let begin = 0; begin < positions.length; begin += SLICE) {
      if (begin > 0) await nextTurn();
      for (let i = begin; i < Math.min(positions.length, begin + SLICE); i++) {
        if (i % 2 === 0) philox(words, ...key, i / 2, 0, 0, epoch);
        const at = 2 * (i % 2);
        const uniform = ((words[at]! >>> 5) * 2 ** 26 + (words[at + 1]! >>> 6)) / 2 ** 53;
        positions[i] = firstAbove(sums, uniform * total);
      }
    }
    return { positions, occurrence: await occurrences(data.rowsAt(positions)) };
  }
}

/** The weight 1 / count of each sample's class. */
function balanced(data: Dataset): Float64Array {
  const counts = data.classCounts();
  return Float64Array.from(data.labels!, (label) => 1 / counts[label]!);
}

function runningSums(weights: Float64Array): Float64Array {
  let sum = 0;
  return weights.map((weight) => (sum += weight));
}

/** The first position whose sum exceeds `value`: one of weight 0 has the sum of the one before it. */
function firstAbove(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! > value) high = middle;
    else low = middle + 1;
  }
  // Rounding may make the value the total itself.
  while (low > 0 && sums[low] === sums[low - 1]) low--;
  return low;
}

/** How often each row came before. */
async function occurrences(rows: Int32Array): Promise<Int32Array> {
  const seen = new Map<number, number>();
  const counts = new Int32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    if (i > 0 && i % SLICE === 0) await nextTurn();
    const before = seen.get(rows[i]!) ?? 0;
    counts[i] = before;
    seen.set(rows[i]!, before + 1);
  }
  return counts;
}

/**
 * Draws samples with replacement, in proportion to their weights: `fit(train, { sampler })` then trains on
 * `numSamples` draws in each epoch. PyTorch's WeightedRandomSampler. The draws are a function of the
 * trainer's seed and the epoch, whatever the batch size, and go on within an epoch after a resume. A sample
 * that is drawn again is augmented anew.
 *
 * `fit(train, { sampler: data.weightedRandomSampler({ weights: 'balanced' }) })`
 *
 * @throws OptionError; `fit` OptionError for a set of another length
 */
export function weightedRandomSampler(options: WeightedRandomSamplerOptions): WeightedRandomSampler {
  return new WeightedRandomSampler(options);
}
