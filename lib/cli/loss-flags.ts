/** `--loss` and its options. */
import type { Dataset } from '../data';
import * as losses from '../losses';
import { classWeights } from '../losses/class-weights';
import { nonNegative, oneOf, probability } from '../settings';
import { UsageError } from './exit-codes';
import { flag, orNull, parseNumber } from './flags';

const LOSSES = ['cross-entropy', 'focal'] as const;

/** What the checks of these options need to know. */
export interface KnownLoss {
  readonly loss: (typeof LOSSES)[number];
}

/** Says that an option belongs to one loss. */
function only(loss: KnownLoss['loss']) {
  return (given: unknown, known: KnownLoss, spelling: string): string | undefined =>
    given === undefined || known.loss === loss ? undefined : `${spelling} belongs to --loss ${loss}`;
}

// All absent in runs of versions that had only plain cross entropy.
export const LOSS_FLAGS = {
  loss: flag('name', oneOf(LOSSES)('loss', { default: 'cross-entropy', absent: 'cross-entropy' })),
  labelSmoothing: flag(
    'share',
    probability('share of the target that is spread over all classes', { default: 0, absent: 0 }),
    { conflict: only('cross-entropy') },
  ),
  focalGamma: flag(
    'x',
    nonNegative('--loss focal: how much less examples count that are right already', {
      default: 2,
      absent: 2,
    }),
    { conflict: only('focal') },
  ),
  classWeights: flag(
    'weights',
    orNull(classWeights)('weights of the classes: balanced, or a number for each, separated by commas', {
      default: null,
      absent: null,
    }),
    { note: 'all count the same', parse: parseWeights },
  ),
};

function parseWeights(_flag: string, text: string): unknown {
  return /^[\d.+-]/.test(text) ? text.split(',').map((part) => parseNumber(part.trim())) : text;
}

/** The loss that the options ask for. @throws UsageError for weights of more or fewer classes */
export function buildLoss(
  recipe: KnownLoss & {
    readonly labelSmoothing: number;
    readonly focalGamma: number;
    readonly classWeights: losses.ClassWeights | null;
  },
  data: Dataset,
): losses.Loss {
  const { loss, labelSmoothing, focalGamma: gamma, classWeights: weights } = recipe;
  const classes = data.classNames.length;
  if (Array.isArray(weights) && weights.length !== classes)
    throw new UsageError(`--class-weights: ${weights.length} weights, but there are ${classes} classes`);
  if (loss === 'focal') return losses.focal({ gamma, ...(weights !== null && { alpha: weights }) });
  return losses.crossEntropy({ labelSmoothing, ...(weights !== null && { classWeights: weights }) });
}
