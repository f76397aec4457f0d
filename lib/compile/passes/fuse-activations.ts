/** Moves activations into the kernels before them. */
import { nothingFused } from '../../graph/facts';
import { node, onlyReader, rule, type Rule } from '../rewrite';

export const fuseActivations: readonly Rule[] = [
  // activation(layer(x)): the kernel applies it as it stores its result, which saves a pass over memory. The
  // gradients of these activations read their output, so training does not need the value before it.
  rule(
    { layer: node('applies'), activation: onlyReader('layer', 'activation') },
    ({ layer, activation: { op, outputs } }) => {
      if (layer.fused !== undefined || !layer.op.applies.includes(op.activation)) return undefined;
      const fused = { ...nothingFused, activation: op.activation };
      return [{ node: layer, outputs: [...outputs, ...layer.outputs.slice(1)], fused }];
    },
  ),
];
