/** conv2d or linear followed by an activation: the activation moves into the kernel's epilogue and saves a pass over memory. */
import { consumersOf, escaping, sortTopologically, type Graph, type GraphNode } from '../ir';
import { activationCodes, type FusedActivation } from '../../ops/activation';

/** Ops whose kernels apply an activation to what they store. */
const fusable = new Set(['conv2d', 'linear']);

/** Whether another pass has given it one already: a ReLU behind a batch norm that was folded in. */
function hasActivation(node: GraphNode): boolean {
  return (node.attrs as { readonly activation: FusedActivation }).activation !== 'none';
}

/**
 * Fuses only where nothing else reads the value before the activation. The gradient rules of these activations read their output, so
 * training fuses as well as inference.
 */
export function fuseActivations(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const outside = escaping(graph);
  const removed = new Set<GraphNode>();
  for (const node of graph.nodes) {
    if (!fusable.has(node.op.name) || hasActivation(node)) continue;
    const value = node.outputs[0]!;
    const readers = consumers.get(value) ?? [];
    const reader = readers[0];
    if (readers.length !== 1 || reader === undefined || outside.has(value)) continue;
    if (activationCodes[reader.op.name] === undefined) continue;
    node.attrs = { ...(node.attrs as object), activation: reader.op.name };
    node.outputs = reader.outputs;
    removed.add(reader);
  }
  return { ...graph, nodes: sortTopologically(graph.nodes.filter((n) => !removed.has(n))) };
}
