/**
 * Inverted dropout (Srivastava et al. 2014) sets elements to zero with probability p and divides the others
 * by 1 - p.
 */
import { firstAlike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import { currentScope, currentTrace } from '../graph/trace';
import { bool, checkKeys } from '../options';
import { defaultRandom, streamKey, type StreamKey } from '../random';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank, checkScalar } from './checks';

interface Attrs {
  readonly key: StreamKey;
  readonly ordinal: number;
  /** Whether to draw once per channel of an example (spatial dropout) instead of once per element. */
  readonly perChannel: boolean;
}

const dropoutOp: OpRecord<Attrs> = {
  name: 'dropout',
  bf16: firstAlike,
  infer: ([x, p, step], { perChannel }) => {
    checkDType('dropout', 'x', x!, 'f32');
    checkScalar('dropout', 'p', p!);
    checkScalar('dropout', 'step', step!);
    if (perChannel) checkRank('dropout', 'x of spatial dropout', x!, 4);
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  // The mask is a function of its counter, so the backward pass draws it again instead of keeping it.
  grad: ({ inputs: [, p, step], grads, attrs }) => [
    first(applyOp(dropoutOp, [grads[0]!, p!, step!], attrs)),
    null,
    null,
  ],
  lower: (l, { key, ordinal, perChannel }) => {
    const [, , h, w] = l.inputTypes[0]!.shape;
    l.call('dropout', l.inputs, l.outputs, { key, ordinal, stride: perChannel ? h! * w! : 1 }, [0]);
  },
};

/**
 * Drops elements of x with probability `p`, a runtime scalar. The mask is a function of seed, layer, call,
 * step and position. `perChannel` drops whole channels of x [N, C, H, W] (Tompson et al. 2015).
 * @throws OptionError, ShapeError
 */
export function dropout(x: Tensor, p: Tensor, options: { perChannel?: boolean } = {}): Tensor {
  checkKeys('dropout', options, ['perChannel']);
  const perChannel = bool('dropout', 'perChannel', options.perChannel ?? false);
  const trace = currentTrace();
  const random = trace?.random ?? defaultRandom;
  const stream = `${currentScope()}/dropout`;
  const ordinal = trace?.nextOrdinal(stream) ?? 0;
  if (trace !== undefined) trace.usesRandom = true;
  const attrs = { key: streamKey(random.seed, stream), ordinal, perChannel };
  return first(applyOp(dropoutOp, [x, p, random.stepScalar], attrs));
}
