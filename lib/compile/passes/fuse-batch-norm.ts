/**
 * Moves the residual addition and the activation behind a batch norm into its kernel, forward and backward:
 * one pass over memory instead of three.
 */
import { nothingFused, type Activation } from '../../graph/facts';
import { sameShape } from '../../tensor/shape';
import type { GraphNode, Value } from '../ir';
import { maker, node, onlyReader, rule, type Change, type Rule } from '../rewrite';

/** Runs after fuseActivations: the node of a norm then says which activation the norm applies. */
export const fuseBatchNorm: readonly Rule[] = [
  // activation(norm(x) + residual): the kernel adds the residual and applies the activation as it
  // stores its result.
  rule(
    { norm: node('norm'), sum: onlyReader('norm', 'adds'), activation: onlyReader('sum', 'activation') },
    ({ norm, sum, activation: { op, outputs } }) => {
      const residual = residualOf(norm, sum);
      if (residual === undefined || norm.op.applies?.includes(op.activation) !== true) return undefined;
      return [withResidual(norm, residual, outputs, op.activation)];
    },
  ),
  // norm(x) + residual without an activation, as at the end of an inverted residual.
  rule({ norm: node('norm'), sum: onlyReader('norm', 'adds') }, ({ norm, sum }) => {
    const residual = residualOf(norm, sum);
    if (residual === undefined) return undefined;
    return [withResidual(norm, residual, sum.outputs, 0)];
  }),
  // backward(mask(dy)): the kernel applies the mask as it reads dy. If others read the masked dy as well, as
  // the gradient of the residual, the kernel stores it.
  rule(
    { backward: node('normBackward'), mask: maker('backward', 0, 'masks') },
    ({ backward, mask }, graph) => {
      const [dy, ...rest] = backward.inputs as [Value, ...Value[]];
      const [upstream, y] = mask.inputs as [Value, Value];
      const activation = mask.op.masks;
      if (
        backward.fused !== undefined ||
        graph.escapes(dy) ||
        !backward.op.normBackward.masks.includes(activation)
      )
        return undefined;
      const residual = graph.readers(dy).length > 1;
      const beta = betaOf(backward, activation, graph.maker(y));
      return [
        {
          node: backward,
          inputs: [upstream, ...rest, beta ?? y],
          outputs: residual ? [...backward.outputs, dy] : backward.outputs,
          fused: { ...nothingFused, activation, residual, mask: beta === undefined ? 'output' : 'beta' },
        },
      ];
    },
  ),
  // backward(mask(a + b)), where the kernel stores the masked sum: it adds as it reads. So the two gradients
  // of a residual block's input meet in the norm before it.
  rule({ backward: node('normBackward'), sum: maker('backward', 0, 'adds') }, ({ backward, sum }, graph) => {
    const [dy, ...rest] = backward.inputs as [Value, ...Value[]];
    const { fused } = backward;
    if (fused?.residual !== true || fused.addend || !graph.isOnlyRead(dy)) return undefined;
    const [upstream, addend] = sum.inputs as [Value, Value];
    if (![upstream, addend].every((part) => sameType(part, dy))) return undefined;
    return [{ node: backward, inputs: [upstream, ...rest, addend], fused: { ...fused, addend: true } }];
  }),
];

function sameType({ type }: Value, other: Value): boolean {
  return type.dtype === other.type.dtype && sameShape(type.shape, other.type.shape);
}

/** What is added to the norm's output, if its kernel can do that. */
function residualOf(norm: GraphNode, sum: GraphNode): Value | undefined {
  const [y] = norm.outputs;
  const residual = sum.inputs.find((value) => value !== y);
  if (norm.fused !== undefined || residual === undefined) return undefined;
  return sameShape(residual.type.shape, y!.type.shape) ? residual : undefined;
}

/** The norm with the addition, and then the activation. */
function withResidual(
  norm: GraphNode,
  residual: Value,
  outputs: readonly Value[],
  activation: Activation | 0,
): Change {
  return {
    node: norm,
    inputs: [...norm.inputs, residual],
    outputs: [...outputs, ...norm.outputs.slice(1)],
    fused: { ...nothingFused, activation, residual: true },
  };
}

/**
 * Returns beta of the norm that applied the activation, if `backward` is the backward of that norm. The
 * kernel then computes the sign of y from x, and need not read y. A residual in between rules this out.
 */
function betaOf(backward: GraphNode, activation: Activation, forward?: GraphNode): Value | undefined {
  const applied = forward?.op.norm?.operands(forward.inputs, forward.outputs);
  const own = backward.op.normBackward?.operands(backward.inputs);
  if (applied === undefined || own === undefined) return undefined;
  const { x, gamma, mean, variance } = own;
  const same =
    applied.x === x && applied.gamma === gamma && applied.mean === mean && applied.variance === variance;
  const plain = forward?.fused?.activation === activation && !forward.fused.residual;
  return same && plain ? applied.beta : undefined;
}
