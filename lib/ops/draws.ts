/**
 * Where random ops draw from. A draw is a function of seed, layer, call, step and place, so backward draws it
 * again instead of keeping it.
 */
import { ShapeError } from '../errors';
import { currentScope, currentTrace } from '../graph/trace';
import { defaultRandom, streamKey, type StreamKey } from '../random';
import type { Tensor } from '../tensor/tensor';

/** Attributes that kernels which draw have in common (native/kernels/draws.h). */
export interface DrawAttrs {
  readonly key: StreamKey;
  readonly ordinal: number;
  /**
   * Draws of one example, by which those of later batches or shards are moved on; 0 where examples of all
   * batches share their draws, as in training without shards, where each step draws anew.
   */
  readonly perExample: number;
}

export interface Draws {
  readonly attrs: DrawAttrs;
  /** The runtime scalars `step` and `example` of the kernel. */
  readonly scalars: readonly [Tensor, Tensor];
}

/**
 * Draws outside of compiled functions so far. No step tells these apart: without a number of its own, each
 * call would repeat the one before.
 */
let callsOutside = 0;

/**
 * The next draws of this kind in the layer that is being recorded.
 * @param count how many draws a batch takes; undefined if all examples share them
 * @throws ShapeError where examples have draws of their own, but the draws cannot be shared out to them
 */
export function nextDraws(name: string, count: number | undefined): Draws {
  const trace = currentTrace();
  const random = trace?.random ?? defaultRandom;
  const stream = `${currentScope()}/${name}`;
  const ordinal = trace?.nextOrdinal(stream) ?? callsOutside++ >>> 0;
  if (trace !== undefined) trace.usesRandom = true;
  const examples = trace?.examples;
  const perExample = examples === undefined || count === undefined ? 0 : count / examples;
  if (!Number.isInteger(perExample))
    throw new ShapeError(
      `${name}: its ${count} draws cannot be shared out to the ${examples} examples of a batch, so they cannot be told apart`,
    );
  return {
    attrs: { key: streamKey(random.seed, stream), ordinal, perExample },
    scalars: [random.stepScalar, random.exampleScalar],
  };
}
