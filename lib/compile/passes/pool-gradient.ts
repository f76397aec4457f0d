/**
 * Max pooling sends each gradient to one element, the winner of its window. What is done to the gradient after that is cheaper
 * before it, on the pooled tensor, which is smaller by the area of the window's step.
 */
import type { MaxPoolBackwardAttrs } from '../../ops/pool2d';
import type { ReduceSumAttrs } from '../../ops/shape-ops';
import {
  consumersOf,
  escaping,
  makersOf,
  sortTopologically,
  type Graph,
  type GraphNode,
  type Value,
} from '../ir';

/** Backwards that set the gradient to zero by looking at the activation's output only, and otherwise pass it on. */
const masks = new Set(['relu_backward', 'relu6_backward']);

/**
 * relu -> max pool: the backward masks the pooled gradient by the pooled output, which holds the winners' values, and then spreads it.
 * Losers have no gradient to be masked, so that no bit changes, and the large activation need not be kept for it.
 */
export function maskPooledGradients(graph: Graph): Graph {
  const uses = { consumers: consumersOf(graph), outside: escaping(graph), makers: makersOf(graph) };
  let changed = false;
  for (const mask of graph.nodes) {
    if (!masks.has(mask.op.name)) continue;
    const [spread, activation] = mask.inputs as [Value, Value];
    const unpool = uses.makers.get(spread);
    if (unpool?.op.name !== 'max_pool2d_backward') continue;
    if (uses.outside.has(spread) || uses.consumers.get(spread)!.length !== 1) continue;
    const [pooledGradient, tap] = unpool.inputs as [Value, Value];
    const pool = uses.makers.get(tap);
    if (pool?.inputs[0] !== activation || !alike([...mask.outputs, spread, pooledGradient, pool.outputs[0]!]))
      continue;
    const masked: Value = { type: pooledGradient.type };
    unpool.inputs = [masked, tap];
    unpool.outputs = mask.outputs;
    mask.inputs = [pooledGradient, pool.outputs[0]!];
    mask.outputs = [masked];
    changed = true;
  }
  return changed ? { ...graph, nodes: sortTopologically(graph.nodes) } : graph;
}

/** Whether the values are stored in one dtype: mixed precision may have put casts elsewhere. */
function alike(values: readonly Value[]): boolean {
  return values.every((value) => value.type.dtype === values[0]!.type.dtype);
}

/**
 * The sum over all positions of a gradient that max pooling spread is the sum of what it spread: a bias before it needs a pass over
 * the pooled tensor only. Rounding differs from the longer sum, so this is done whether or not the graph is fused.
 */
export function sumPooledGradients(graph: Graph): Graph {
  const makers = makersOf(graph);
  for (const node of graph.nodes) {
    const spread = node.inputs[0];
    if (node.op.name !== 'reduce_sum' || spread === undefined) continue;
    const unpool = makers.get(spread);
    if (unpool === undefined || !sumsPositions(node) || !keepsAll(unpool)) continue;
    node.inputs = [unpool.inputs[0]!];
  }
  return graph;
}

function sumsPositions(node: GraphNode): boolean {
  const { shape } = node.attrs as ReduceSumAttrs;
  return shape.length === 4 && shape[2] === 1 && shape[3] === 1;
}

/** Without dilation every window has an element inside the image (padding is at most half of it), so no gradient is lost. */
function keepsAll(unpool: GraphNode): boolean {
  if (unpool.op.name !== 'max_pool2d_backward') return false;
  return (unpool.attrs as MaxPoolBackwardAttrs).window.dilation.every((d) => d === 1);
}

/** Without a gradient nobody asks which element won: the kernel then does not note it. */
export function dropUnreadTaps(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  for (const node of graph.nodes) {
    const [, tap] = node.outputs;
    if (node.op.name === 'max_pool2d' && tap !== undefined && !consumers.has(tap))
      node.outputs = node.outputs.slice(0, 1);
  }
  return graph;
}
