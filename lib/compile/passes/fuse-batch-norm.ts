/** Batch norm followed by (an addition and) relu: one pass over memory instead of three, forward and backward. */
import type { NormAttrs } from '../../ops/batch-norm';
import {
  consumersOf,
  escaping,
  makersOf,
  sortTopologically,
  type Graph,
  type GraphNode,
  type Value,
} from '../ir';

/** What the rewrite knows of the graph; `removed` and `maker` follow along as nodes are fused. */
interface Uses {
  readonly consumers: ReadonlyMap<Value, GraphNode[]>;
  readonly outside: ReadonlySet<Value>;
  readonly maker: Map<Value, GraphNode>;
  readonly removed: Set<GraphNode>;
}

/** Nodes as the fused forms need them; see lib/ops/batch_norm.ts for the operands. */
const forwards = new Set(['batch_norm_train', 'batch_norm_eval']);
const backwards = new Set(['batch_norm_backward', 'batch_norm_eval_backward']);

export function fuseBatchNorm(graph: Graph): Graph {
  const forward = rewrite(graph, forwards, fuseForward);
  return rewrite(forward, backwards, fuseBackward);
}

function rewrite(
  graph: Graph,
  ops: ReadonlySet<string>,
  fuse: (node: GraphNode, uses: Uses) => GraphNode[],
): Graph {
  const maker = makersOf(graph);
  const removed = new Set<GraphNode>();
  const uses = { consumers: consumersOf(graph), outside: escaping(graph), maker, removed };
  for (const node of graph.nodes) {
    if (!ops.has(node.op.name)) continue;
    for (const fused of fuse(node, uses)) removed.add(fused);
    for (const output of node.outputs) maker.set(output, node);
  }
  if (removed.size === 0) return graph;
  return { ...graph, nodes: sortTopologically(graph.nodes.filter((n) => !removed.has(n))) };
}

function onlyReader(value: Value, uses: Uses): GraphNode | undefined {
  const readers = uses.consumers.get(value) ?? [];
  const reader = readers[0];
  if (readers.length !== 1 || reader === undefined || uses.outside.has(value) || uses.removed.has(reader))
    return undefined;
  return reader;
}

function sameType(a: Value, b: Value): boolean {
  return a.type.shape.length === b.type.shape.length && a.type.shape.every((d, i) => d === b.type.shape[i]);
}

/** y = relu(bn(x) + r) or relu(bn(x)). Returns the nodes that became part of `node`. */
function fuseForward(node: GraphNode, uses: Uses): GraphNode[] {
  const value = node.outputs[0]!;
  const next = onlyReader(value, uses);
  if (next === undefined) return [];
  if (next.op.name === 'relu') {
    node.attrs = { ...(node.attrs as object), activation: 'relu' };
    node.outputs = [next.outputs[0]!, ...node.outputs.slice(1)];
    return [next];
  }
  const residual = next.inputs[0] === value ? next.inputs[1] : next.inputs[0];
  if (next.op.name !== 'add' || residual === undefined || residual === value || !sameType(residual, value))
    return [];
  const relu = onlyReader(next.outputs[0]!, uses);
  if (relu?.op.name !== 'relu') return [];
  node.attrs = { ...(node.attrs as object), activation: 'relu', residual: true };
  node.inputs = [...node.inputs, residual];
  node.outputs = [relu.outputs[0]!, ...node.outputs.slice(1)];
  return [next, relu];
}

/** dy of a batch norm that comes straight from relu's backward: the mask is applied while dy is read. */
function fuseBackward(node: GraphNode, uses: Uses): GraphNode[] {
  const dy = node.inputs[0]!;
  const mask = uses.maker.get(dy);
  if (mask?.op.name !== 'relu_backward' || uses.outside.has(dy)) return [];
  // A masked dy that others read as well is stored, as the gradient of the residual.
  const others = (uses.consumers.get(dy) ?? []).filter((reader) => reader !== node);
  const [upstream, y] = mask.inputs;
  const beta = betaOf(node, uses.maker.get(y!));
  node.attrs = {
    ...(node.attrs as object),
    activation: 'relu',
    ...(others.length > 0 && { residual: true }),
    ...(beta !== undefined && { mask: 'input' }),
  };
  node.inputs = [upstream!, ...node.inputs.slice(1), beta ?? y!];
  if (others.length > 0) node.outputs = [...node.outputs, dy];
  return [mask];
}

/**
 * beta of the forward whose relu made the mask, when that forward is this node's own: y > 0 then follows from x and need not be read.
 * Not so where a residual came in between.
 */
function betaOf(node: GraphNode, forward: GraphNode | undefined): Value | undefined {
  if (forward === undefined || !forwards.has(forward.op.name)) return undefined;
  const { activation, residual } = forward.attrs as NormAttrs;
  const [x, gamma, beta] = forward.inputs;
  const statistics =
    forward.op.name === 'batch_norm_train' ? forward.outputs.slice(1, 3) : forward.inputs.slice(3, 5);
  const own = [x, gamma, ...statistics].every((value, i) => value === node.inputs[i + 1]);
  return own && activation === 'relu' && residual !== true ? beta : undefined;
}
