/** Options of regularization: penalties, limits on norms, and noise in the network. */
import * as nn from '../nn';
import { decays } from '../optim';
import { l1 as penalizeL1, l2 as penalizeL2, type Penalty } from '../regularizers';
import { nonNegative, positive, probability } from '../settings';
import { UsageError } from './exit-codes';
import { flag, orNull } from './flags';

// All absent in runs of versions without them.
const none = { default: null, absent: null } as const;
const zero = { default: 0, absent: 0 } as const;

export const REGULARIZATION_FLAGS = {
  l1: flag('x', nonNegative('strength of an L1 penalty on all weights but biases and norms', zero)),
  l2: flag('x', nonNegative('strength of an L2 penalty on all weights but biases and norms', zero)),
  maxNorm: flag(
    'x',
    orNull(positive)("largest norm of an output unit's weights, kept after each step", none),
    { note: 'no limit' },
  ),
  dropout: flag('p', orNull(probability)("probability of the network's dropout layers", none), {
    note: 'by model',
  }),
  stochasticDepth: flag(
    'p',
    orNull(probability)(
      "probability of dropping an example's last residual block, earlier ones linearly less",
      none,
    ),
    { note: 'none are dropped' },
  ),
};

interface Noise {
  readonly model: string;
  readonly dropout: number | null;
  readonly stochasticDepth: number | null;
}

const BLOCKS = [
  ...[nn.BasicBlock, nn.Bottleneck, nn.CifarBlock],
  ...[nn.InvertedResidual, nn.ResidualBlock],
] as const;

/** Sets the noise of a network. @throws UsageError where it has no layers of the kind */
export function setNoise({ model: name, dropout, stochasticDepth }: Noise, model: nn.Module): void {
  const modules = [...model.namedModules().values()];
  const dropouts = modules.filter((module) => module instanceof nn.Dropout);
  if (dropout !== null && dropouts.length === 0)
    throw new UsageError(`--dropout: --model ${name} has no dropout layers`);
  for (const layer of dropouts) layer.p = dropout ?? layer.p;
  if (stochasticDepth === null) return;
  const blocks = modules.filter((module) => BLOCKS.some((kind) => module instanceof kind));
  if (blocks.length === 0)
    throw new UsageError(`--stochastic-depth: --model ${name} has no residual blocks that take it`);
  blocks.forEach((block, i) =>
    Object.assign(block, { stochasticDepth: ((i + 1) / blocks.length) * stochasticDepth }),
  );
}

/** The penalties that the options ask for; biases and norms go free. */
export function penaltiesOf({ l1, l2 }: { readonly l1: number; readonly l2: number }): Penalty[] {
  const options = { match: decays };
  return [...(l1 > 0 ? [penalizeL1(l1, options)] : []), ...(l2 > 0 ? [penalizeL2(l2, options)] : [])];
}
