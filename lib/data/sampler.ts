/** Samplers: which samples of a set an epoch draws, where that is not each of them once. */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { OptionError } from '../errors';
import { nearest, show } from '../options';
import { philox } from '../philox';
import { streamKey, type StreamKey } from '../random';
import { bool, declareSettings, kind, type OptionsOf } from '../settings';
import type { Dataset } from './dataset';
import { identity } from './order';
import { nonNegativeNumbers } from './sample-weights';
import { sortInTurns } from './sort';

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
  })('Draws in an epoch. Default: as many as the set has samples that can be drawn.', { optional: true }),
  replacement: bool('Whether a sample may be drawn more than once in an epoch.', { default: true }),
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
  private readonly replacement: boolean;

  constructor(options: WeightedRandomSamplerOptions) {
    const where = 'data.weightedRandomSampler';
    const { weights, numSamples, replacement } = settings.read(where, options);
    [this.weights, this.numSamples, this.replacement] = [weights, numSamples, replacement];
  }

  /** @internal Draws in an epoch over a set. */
  count(data: Dataset): number {
    return this.numSamples ?? (this.replacement ? data.length : this.possible(data));
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
    if (!this.replacement && this.count(data) > this.possible(data))
      throw new OptionError(
        `${where}: the sampler draws ${this.count(data)} samples without replacement, but only ${this.possible(data)} have a weight above 0`,
      );
    if (data.length > MOST_DRAWS)
      throw new OptionError(`${where}: the sampler draws at most 2^28 samples; give it numSamples`);
  }

  /** @internal A digest of what decides the draws, besides the set. */
  get fingerprint(): string {
    const { weights } = this;
    const digest = createHash('sha256').update(`${this.numSamples ?? 'all'} ${this.replacement} `);
    const bytes = typeof weights === 'string' ? weights : new Uint8Array(weights.buffer);
    return digest.update(bytes).digest('hex').slice(0, 16);
  }

  /**
   * @internal The draws of an epoch, a function of the seed, the epoch, the set and the weights. The event
   *   loop turns every few milliseconds.
   */
  async draw(data: Dataset, seed: number, epoch: number): Promise<Drawn> {
    const weights = this.weights === 'balanced' ? balanced(data) : this.weights;
    const uniforms = new Uniforms(seed, epoch);
    const positions = this.replacement
      ? await withReplacement(weights, this.count(data), uniforms)
      : await withoutReplacement(weights, this.count(data), uniforms);
    return { positions, occurrence: await occurrences(data.rowsAt(positions)) };
  }

  /** How many samples can be drawn. */
  private possible(data: Dataset): number {
    const { weights } = this;
    return weights === 'balanced' ? data.length : weights.filter((weight) => weight > 0).length;
  }
}

/**
 * Numbers in [0, 1) with 53 random bits: number i is words 2 (i mod 2) and the next of Philox at the counter
 * (i / 2, 0, 0, epoch).
 */
class Uniforms {
  private readonly key: StreamKey;
  private readonly words = new Uint32Array(4);

  constructor(
    seed: number,
    private readonly epoch: number,
  ) {
    this.key = streamKey(seed, 'weighted sampler');
  }

  /** Number i; they are asked for in order. */
  at(i: number): number {
    const { words } = this;
    if (i % 2 === 0) philox(words, ...this.key, i / 2, 0, 0, this.epoch);
    const first = 2 * (i % 2);
    return ((words[first]! >>> 5) * 2 ** 26 + (words[first + 1]! >>> 6)) / 2 ** 53;
  }
}

/** Draw i is the first position whose running sum of weights exceeds number i times the total. */
async function withReplacement(
  weights: Float64Array,
  count: number,
  uniforms: Uniforms,
): Promise<Int32Array> {
  const sums = runningSums(weights);
  const total = sums[sums.length - 1]!;
  const positions = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    if (i > 0 && i % SLICE === 0) await nextTurn();
    positions[i] = firstAbove(sums, uniforms.at(i) * total);
  }
  return positions;
}

/**
 * Sample i waits for an exponential time of rate w_i, and those whose time comes first are drawn,
 * in the order of time: the same as drawing one after the other among those that are left
 * (Efraimidis & Spirakis 2006).
 */
async function withoutReplacement(
  weights: Float64Array,
  count: number,
  uniforms: Uniforms,
): Promise<Int32Array> {
  const times = new Float64Array(weights.length);
  for (let i = 0; i < times.length; i++) {
    if (i > 0 && i % SLICE === 0) await nextTurn();
    times[i] = -Math.log1p(-uniforms.at(i)) / weights[i]!;
  }
  const possible = Array.from(identity(weights.length)).filter((i) => weights[i]! > 0);
  const order = await sortInTurns(possible, (a, b) => times[a]! - times[b]!);
  return Int32Array.from(order.slice(0, count));
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
 * Draws samples in proportion to their weights, by default with replacement: `fit(train, { sampler })` then
 * trains on `numSamples` draws in each epoch. PyTorch's WeightedRandomSampler. The draws are a function of
 * the trainer's seed and the epoch, whatever the batch size, and go on within an epoch after a resume. A
 * sample that is drawn again is augmented anew.
 *
 * `fit(train, { sampler: data.weightedRandomSampler({ weights: 'balanced' }) })`
 *
 * @throws OptionError; `fit` OptionError for a set of another length
 */
export function weightedRandomSampler(options: WeightedRandomSamplerOptions): WeightedRandomSampler {
  return new WeightedRandomSampler(options);
}
