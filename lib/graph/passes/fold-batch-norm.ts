/**
 * conv2d or linear followed by batch norm with running statistics: folded into the layer's weights and bias. The folded weights depend on
 * persistent memory only, so a program for predictions computes them once and again when that has changed (../constants.ts).
 *
 * The one rewrite that changes bits: rounding differs, by about 1e-6 relative to the largest output. It is therefore made for
 * predictions only, never in training or evaluation by a trainer.
 */
import { foldBatchNormOp, type FoldAttrs } from '../../ops/fold-batch-norm';
import type { OpRecord } from '../op';
import { consumersOf, escaping, sortTopologically, type Graph, type GraphNode, type Value } from '../ir';

const foldable = new Set(['conv2d', 'linear']);

interface LayerAttrs {
  readonly bias: boolean;
  readonly activation: string;
}

interface NormAttrs {
  readonly eps: number;
  readonly activation?: string;
  readonly residual?: boolean;
}

/** Runs behind the fusion of batch norms: one with a residual stays as it is, a single pass over memory either way. */
export function foldBatchNorm(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const outside = escaping(graph);
  const written = new Set(graph.assignments.map((a) => a.storage));
  const stored = (value: Value): boolean =>
    value.leaf?.kind === 'storage' && !written.has(value.leaf.storage);
  const computed = new Set<Value>(); // from fixed values alone: standardized weights
  const fixed = (value: Value): boolean => stored(value) || computed.has(value);
  const added: GraphNode[] = [];
  const removed = new Set<GraphNode>();
  for (const layer of graph.nodes) {
    if (layer.inputs.length > 0 && layer.inputs.every(fixed))
      for (const output of layer.outputs) computed.add(output);
    if (!foldable.has(layer.op.name) || (layer.attrs as LayerAttrs).activation !== 'none') continue;
    const value = layer.outputs[0]!;
    const readers = consumers.get(value) ?? [];
    const norm = readers[0];
    if (readers.length !== 1 || norm?.op.name !== 'batch_norm_eval' || outside.has(value)) continue;
    if (norm.inputs[0] !== value || (norm.attrs as NormAttrs).residual === true) continue;
    if (![...layer.inputs.slice(1), ...norm.inputs.slice(1)].every(fixed)) continue;
    added.push(fold(layer, norm));
    removed.add(norm);
  }
  if (removed.size === 0) return graph;
  return { ...graph, nodes: sortTopologically([...added, ...graph.nodes.filter((n) => !removed.has(n))]) };
}

/** Makes `layer` give what `norm` gave; returns the node that makes its weights. */
function fold(layer: GraphNode, norm: GraphNode): GraphNode {
  const [x, weight, ...bias] = layer.inputs;
  const { eps, activation = 'none' } = norm.attrs as NormAttrs;
  const attrs: FoldAttrs = { eps, bias: bias.length > 0 };
  const folded: Value[] = [weight!.type, norm.inputs[1]!.type].map((type) => ({ type }));
  layer.inputs = [x!, ...folded];
  layer.attrs = { ...(layer.attrs as LayerAttrs), bias: true, activation };
  layer.outputs = [norm.outputs[0]!];
  return {
    op: foldBatchNormOp as OpRecord<unknown>,
    attrs,
    inputs: [weight!, ...bias, ...norm.inputs.slice(1)],
    outputs: folded,
    scope: norm.scope,
  };
}
