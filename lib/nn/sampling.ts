/**
 * Predictions that average over the noise of training: `samples` passes, each with noise of its own (Monte
 * Carlo dropout; Gal & Ghahramani 2016, "Dropout as a Bayesian approximation").
 */
import { OptionError } from '../errors';
import { currentTrace } from '../graph/trace';
import { nonNegativeInteger, positiveInteger } from '../options';
import { RandomState } from '../random';
import { inSampleMode, type Modal } from './mode';

/** Options of predictions that average over the noise of training (Monte Carlo dropout). */
export interface SamplingOptions {
  /**
   * Averages over this many passes, each with noise of its own, drawn as in training: dropout, stochastic
   * depth, noise of activations and weights, fractional pooling. All else, batch norm above all, is in
   * evaluation mode. Default: one pass without noise.
   */
  readonly samples?: number;
  /** The seed of the noise. An example's noise does not depend on the batch it is in. Default 0. */
  readonly seed?: number;
}

export class Sampling {
  constructor(
    readonly samples: number,
    readonly seed: number,
    readonly random = new RandomState(seed),
  ) {}

  /** Other samples of the same noise. */
  of(samples: number): Sampling {
    return new Sampling(samples, this.seed, this.random);
  }

  /**
   * Inside a function that is being recorded: its batches have this many examples, each with its own noise.
   */
  record(examples: number): void {
    const trace = currentTrace();
    if (trace !== undefined) trace.examples = examples;
  }

  /** Queues pass `pass` of a batch by `fn`; `first` counts the examples before it. */
  pass<R>(model: Modal, first: number, pass: number, fn: () => R): R {
    this.random.example = first;
    this.random.step = pass;
    return inSampleMode(model, fn);
  }
}

/** What options ask for; undefined where they ask for no noise. @throws OptionError */
export function samplingOf(where: string, { samples, seed }: SamplingOptions): Sampling | undefined {
  if (samples !== undefined)
    return new Sampling(
      positiveInteger(where, 'samples', samples),
      nonNegativeInteger(where, 'seed', seed ?? 0),
    );
  if (seed !== undefined) throw new OptionError(`${where}: seed is for samples, which are not given`);
  return undefined;
}
