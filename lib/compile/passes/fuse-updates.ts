/**
 * Updates a large linear layer at a small batch without storing its gradient, which is as large as the
 * weight but is the product of two small matrices. SGD updates the weight by tiles of the product that never
 * leave the registers, and the guard takes the gradient's norm from the factors: two passes over memory
 * instead of six.
 */
import { productSquaresLimit, productSquaresOp, sgdProductOp } from '../../ops/update';
import { numel } from '../../tensor/shape';
import { newNode, type GraphNode, type Value } from '../ir';
import { anyMaker, anyReader, node, onlyReader, rule, type Rule } from '../rewrite';

/** Below this many elements the gradient stays in cache, and passes over it cost little. */
const leastElements = 1 << 20;

export const fuseUpdates: readonly Rule[] = [
  // update(..., product, ...) and guard(squares(..., product, ...)), where nothing else reads the product:
  // one parameter of the update gets a node of its own, which reads the factors. A step that clips also reads
  // the norm, and needs its exact bits, so it stays as it is.
  rule(
    {
      update: node('splits'),
      product: anyMaker('update', 'product'),
      squares: anyReader('product', 'squares'),
      guard: onlyReader('squares', 'schedule'),
    },
    ({ update, product, squares, guard }, graph) => {
      const gradient = product.outputs[0]!;
      if (graph.escapes(gradient) || graph.readers(gradient).length !== 2) return undefined;
      const parts = update.op.splits(update.attrs, update.inputs, update.outputs, gradient, product.inputs);
      if (parts === undefined || !isWorthwhile(product)) return undefined;
      const norm: Value = { type: { shape: [], dtype: 'f32' } };
      const others = squares.inputs.filter((value) => value !== gradient);
      const watched = others.length > 0 ? guard.inputs : guard.inputs.filter((v) => v !== squares.outputs[0]);
      const { rest, split } = parts;
      return [
        { node: update, ...rest },
        { node: squares, inputs: others },
        { node: newNode({ op: productSquaresOp, attrs: null }, product.inputs, [norm], squares.scope) },
        { node: guard, inputs: [...watched, norm] },
        {
          node: newNode({ op: sgdProductOp, attrs: split.attrs }, split.inputs, split.outputs, update.scope),
        },
      ];
    },
  ),
];

function isWorthwhile({ inputs, outputs }: GraphNode): boolean {
  const [examples] = inputs[0]!.type.shape as [number];
  if (numel(outputs[0]!.type.shape) < leastElements || examples > productSquaresLimit) return false;
  return inputs.every((factor) => factor.type.dtype === 'f32');
}
