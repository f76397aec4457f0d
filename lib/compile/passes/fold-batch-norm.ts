/**
 * conv2d or linear followed by batch norm with running statistics: folded into the layer's weights and bias. The folded weights depend on
 * persistent memory only, so a program for predictions computes them once and again when that has changed (../constants.ts).
 *
 * The one rewrite that changes bits: rounding differs, by about 1e-6 relative to the largest output. It is therefore made for
 * predictions only, never in training or evaluation by a trainer.
 */
import { foldBatchNormOp, type FoldAttrs } from '../../ops/fold-batch-norm';
import type { OpRecord } from '../../graph/op';
import { consumersOf, escaping, sortTopologically, type Graph, type GraphNode, type Value } from '../ir';

const foldable = new Set(['conv2d', 'linear']);

interface LayerAttrs {
  readonly bias: boolean;
  readonly activation: string;
  /** Of a convolution. */
  readonly groups?: number;
}

interface NormAttrs {
  readonly eps: number;
  readonly activation?: string;
  readonly residual?: boolean;
}

/** x, gamma, beta, mean, variance; a residual comes last. */
const normOperands = 5;

/**
 * Runs behind the fusion of batch norms. The residual of one becomes the layer's, where the layer can add it: a convolution in f32
 * without groups. Other norms with a residual stay as they are.
 */
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
    if (
      norm.inputs[0] !== value ||
      ((norm.attrs as NormAttrs).residual === true && !addsResidual(layer, norm))
    )
      continue;
    if (![...layer.inputs.slice(1), ...norm.inputs.slice(1, normOperands)].every(fixed)) continue;
    added.push(fold(layer, norm));
    removed.add(norm);
  }
  if (removed.size === 0) return graph;
  return { ...graph, nodes: sortTopologically([...added, ...graph.nodes.filter((n) => !removed.has(n))]) };
}

function addsResidual(layer: GraphNode, norm: GraphNode): boolean {
  if (layer.op.name !== 'conv2d' || (layer.attrs as LayerAttrs).groups !== 1) return false;
  return [layer.inputs[0]!, ...norm.inputs, ...norm.outputs].every((value) => value.type.dtype === 'f32');
}

/** Makes `layer` give what `norm` gave; returns the node that makes its weights. */
function fold(layer: GraphNode, norm: GraphNode): GraphNode {
  const [x, weight, ...bias] = layer.inputs;
  const { eps, activation = 'none', residual } = norm.attrs as NormAttrs;
  const attrs: FoldAttrs = { eps, bias: bias.length > 0 };
  const folded: Value[] = [weight!.type, norm.inputs[1]!.type].map((type) => ({ type }));
  layer.inputs = [x!, ...folded, ...norm.inputs.slice(normOperands)];
  layer.attrs = {
    ...(layer.attrs as LayerAttrs),
    bias: true,
    activation,
    ...(residual === true && { residual }),
  };
  layer.outputs = [norm.outputs[0]!];
  return {
    op: foldBatchNormOp as OpRecord<unknown>,
    attrs,
    inputs: [weight!, ...bias, ...norm.inputs.slice(1, normOperands)],
    outputs: folded,
    scope: norm.scope,
  };
}
