/**
 * Finds the layer in which numbers stopped being finite, by running the same batch again with
 * every intermediate checked.
 */
import { compile } from '../compile/compile';
import { grad } from '../compile/grad';
import { reachableNodes } from '../compile/ir';
import type { Node } from '../graph/op';
import { currentTrace } from '../graph/trace';
import { sub, sumSquares } from '../ops';
import type { Tensor } from '../tensor/tensor';
import type { Batch, Shard } from './batch-source';
import { objectiveOf, recordLoss, type StepParts } from './steps';
import { clip } from '../options';

/**
 * 0 where all numbers are finite, else NaN: x - x is NaN for infinities and NaNs only, and cannot overflow.
 */
function finiteness(value: Tensor): Tensor {
  return sumSquares([sub(value, value)]);
}

function describe(node: Node, phase: string): string {
  return `${node.op.name}${node.scope === '' ? '' : ` '${clip(node.scope)}'`} ${phase}`;
}

/** What is wrong where no number that the search looks at is. */
export const GRADIENTS_OVERFLOWED = 'the norm of the gradients overflowed';

/** A step that failed. */
export interface FailedStep {
  readonly batches: readonly Batch[];
  /** The random counter that batch i was queued with is randomStep + i randomStride. */
  readonly randomStep: number;
  readonly randomStride: number;
}

/**
 * Runs a step that failed again, with every intermediate checked; says where the first number that is not
 * finite came from. Undefined where all are finite.
 */
export async function explainNonFinite(
  parts: StepParts,
  { batches, randomStep, randomStride }: FailedStep,
): Promise<string | undefined> {
  const { random } = parts;
  let place: string | undefined;
  for (const [i, batch] of batches.entries()) {
    for (const part of batch.shards ?? [batch]) {
      random.step = randomStep + i * randomStride;
      random.example = part.first ?? 0;
      place ??= await locateNonFinite(parts, part, batch.shards !== undefined).catch(() => undefined);
    }
  }
  random.step = randomStep;
  random.example = 0;
  return place;
}

/**
 * Where the first number that is not finite comes from, in the order of computation: "conv2d 'features.3' in
 * the forward pass". Model, optimizer and random state must be as they were before the step that failed.
 * Undefined when all is finite.
 */
async function locateNonFinite(
  parts: StepParts,
  part: Batch | Shard,
  ofShards: boolean,
): Promise<string | undefined> {
  const searched = { parts, part, ofShards };
  return (await search(searched, false)) ?? (await search(searched, true));
}

interface Searched {
  readonly parts: StepParts;
  readonly part: Batch | Shard;
  /** Whether samples draw by their place in the batch that the part is of. */
  readonly ofShards: boolean;
}

/**
 * The forward pass is searched alone first: with every intermediate alive, both passes together
 * take much memory.
 */
async function search({ parts, part, ofShards }: Searched, backward: boolean): Promise<string | undefined> {
  const what: string[] = [];
  const program = compile(
    (...args: Tensor[]) => {
      const trace = currentTrace()!;
      if (ofShards) trace.examples = part.size;
      const { objective: loss } = objectiveOf(parts, recordLoss(parts, args).loss);
      const forward = reachableNodes([loss]);
      const roots = backward
        ? grad(loss)
            .entries()
            .map(([, gradient]) => gradient)
        : [loss];
      const seen = new Set(backward ? forward : []);
      const checks: Tensor[] = [];
      for (const node of reachableNodes(roots)) {
        if (seen.has(node)) continue;
        for (const output of node.outputs) {
          if (output.dtype !== 'f32') continue;
          what.push(describe(node, backward ? 'in the backward pass' : 'in the forward pass'));
          checks.push(finiteness(output));
        }
      }
      // The statistics of batch norm must not include the numbers that the search is for.
      trace.assigned.clear();
      return checks;
    },
    { random: parts.random, precision: parts.precision },
  );
  try {
    const results = await program(...part.args);
    const bad = results.findIndex((check) => !Number.isFinite(check.itemSync()));
    return bad < 0 ? undefined : what[bad];
  } finally {
    program.dispose();
  }
}
