/**
 * Max pooling sends each gradient to one element, the winner of its window. Work on the gradient is cheaper
 * before that than after it, because the pooled tensor is smaller by the area of the window's step.
 */
import type { Value } from '../ir';
import { maker, node, rule, type Rule } from '../rewrite';

export const movePoolGradient: readonly Rule[] = [
  // mask(spread(dy), activation), where the activation was pooled: the pooled output, which holds the
  // winners' values, masks dy before it is spread. Losers have no gradient to mask, so no bit changes, and
  // the large activation need not be kept.
  rule({ mask: node('masks'), spread: maker('mask', 0, 'spreads') }, ({ mask, spread }, graph) => {
    const [spreadGradient, activation] = mask.inputs as [Value, Value];
    const [gradient, taps] = spread.inputs as [Value, Value];
    const pool = graph.maker(taps);
    if (pool?.inputs[0] !== activation || !graph.isOnlyRead(spreadGradient)) return undefined;
    const pooled = pool.outputs[0]!;
    if (!isOneType([...mask.outputs, spreadGradient, gradient, pooled])) return undefined;
    const masked: Value = { type: gradient.type };
    return [
      { node: spread, inputs: [masked, taps], outputs: mask.outputs },
      { node: mask, inputs: [gradient, pooled], outputs: [masked] },
    ];
  }),
  // The sum over all positions of spread(dy) is the sum of dy: a bias before max pooling needs a pass
  // over the pooled tensor only. Rounding differs from the longer sum, so this is done whether or not the
  // graph is fused.
  rule({ sum: node('sums'), spread: maker('sum', 0, 'spreads') }, ({ sum, spread }) => {
    const { shape } = sum.outputs[0]!.type;
    const overPositions = shape.length === 4 && shape[2] === 1 && shape[3] === 1;
    if (!overPositions || !spread.op.spreads(spread.attrs)) return undefined;
    return [{ node: sum, inputs: [spread.inputs[0]!] }];
  }),
];

/** Whether the values are stored in one dtype: mixed precision may have put casts between them. */
function isOneType(values: readonly Value[]): boolean {
  return values.every((value) => value.type.dtype === values[0]!.type.dtype);
}
