/** Drops outputs that nobody reads, if the kernel can leave them out. */
import { node, rule, type Rule } from '../rewrite';

export const dropUnreadOutputs: readonly Rule[] = [
  // Max pooling without a gradient: nobody asks which element won, so the kernel does not record it.
  rule({ maker: node('leastOutputs') }, ({ maker }, graph) => {
    const [kept, rest] = [
      maker.outputs.slice(0, maker.op.leastOutputs),
      maker.outputs.slice(maker.op.leastOutputs),
    ];
    const unread = rest.every((value) => graph.readers(value).length === 0 && !graph.escapes(value));
    return rest.length > 0 && unread ? [{ node: maker, outputs: kept }] : undefined;
  }),
];
