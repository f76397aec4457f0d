/**
 * Folds a batch norm with given statistics into the weight and bias of the layer before it. The folded
 * weight depends on persistent memory only, so a program computes it once, and again when that memory
 * has changed (../constants.ts).
 *
 * This is the only rewrite that changes bits: results round differently, by about 1e-6 relative to the
 * largest output. Programs for predictions are rewritten so wherever it is possible; training and evaluation
 * by a trainer only where all parameters of the two layers are frozen.
 */
import { foldBatchNormOp } from '../../ops/fold-batch-norm';
import { isUntrained, newNode, type Value } from '../ir';
import { node, onlyReader, rule, type Rewriter, type Rule } from '../rewrite';

type Test = (value: Value, graph: Rewriter) => boolean;

/** Runs after fuseBatchNorm, so that the activation and the residual of a norm move on into the layer. */
const foldWhere = (isKept: Test): readonly Rule[] => [
  // norm(layer(x)) with fixed parameters and statistics: one pass over memory fewer, and no
  // statistics to read.
  rule({ layer: node('layer'), norm: onlyReader('layer', 'norm') }, ({ layer, norm }, graph) => {
    const { eps, operands } = norm.op.norm;
    const { x: y, gamma, beta, mean, variance } = operands(norm.inputs, norm.outputs);
    const [x, weight, ...bias] = layer.inputs as [Value, Value, ...Value[]];
    const residual = norm.fused?.residual === true ? norm.inputs.slice(-1) : [];
    if (eps === undefined || layer.fused !== undefined || y !== layer.outputs[0]) return undefined;
    if (residual.length > 0 && !layer.op.layer.addsResidual(layer.attrs)) return undefined;
    const parameters = [weight, ...bias, gamma, beta, mean, variance];
    if (!parameters.every((value) => dependsOnlyOn(isKept, value, graph))) return undefined;
    const folded: Value[] = [{ type: weight.type }, { type: gamma.type }];
    const attrs = { eps: eps(norm.attrs), bias: bias.length > 0 };
    return [
      { node: newNode({ op: foldBatchNormOp, attrs }, parameters, folded, norm.scope) },
      { node: layer, inputs: [x, ...folded, ...residual], outputs: norm.outputs, fused: norm.fused },
    ];
  }),
];

/** For predictions: whatever the program does not write. */
export const foldBatchNorm = foldWhere((value, graph) => graph.isStored(value));

/** For training: of that, what no gradient trains. */
export const foldFrozenBatchNorm = foldWhere(
  (value, graph) => graph.isStored(value) && isUntrained(value.leaf),
);

/** Whether the value follows from kept memory alone: parameters, statistics, standardized weights. */
function dependsOnlyOn(isKept: Test, root: Value, graph: Rewriter): boolean {
  const origins = new Set([root]); // the loop adds to the set that it walks
  for (const value of origins) {
    const inputs = graph.maker(value)?.inputs;
    if (inputs?.length === 0) return false;
    if (inputs === undefined && !isKept(value, graph)) return false;
    for (const input of inputs ?? []) origins.add(input);
  }
  return true;
}
