/** `--early-stopping` and its options. */
import { nonNegative, number, oneOf, positiveInteger } from '../settings';
import { earlyStopping, type EarlyStopping } from '../train/early-stopping';
import { flag, orNull } from './flags';

/** Figures of epochs that may be watched. */
export const STOPPING_FIGURES = [
  'validationLoss',
  'validationAccuracy',
  'trainLoss',
  'trainAccuracy',
] as const;
export type StoppingFigure = (typeof STOPPING_FIGURES)[number];

/** What the checks of these options need to know. */
export interface KnownStopping {
  readonly earlyStopping: StoppingFigure | null;
  readonly validation: number;
}

/** What belongs to `--early-stopping` only. A resumed run may wait longer, or for more, than it did. */
const part = {
  conflict: (given: unknown, { earlyStopping: figure }: KnownStopping, spelling: string) =>
    given === undefined || figure !== null ? undefined : `${spelling} belongs to --early-stopping`,
};

// All absent in runs of versions without early stopping.
export const STOPPING_FLAGS = {
  earlyStopping: flag(
    'figure',
    orNull(oneOf(STOPPING_FIGURES))('ends training when this figure of its epochs stops improving', {
      default: null,
      absent: null,
    }),
    {
      alone: 'validationLoss',
      note: 'off; validationLoss if none is named',
      conflict: (given: unknown, { validation }: KnownStopping) =>
        typeof given === 'string' && given.startsWith('validation') && validation === 0
          ? `--early-stopping ${given} needs a validation set, and --validation is 0`
          : undefined,
    },
  ),
  patience: flag(
    'n',
    positiveInteger('epochs without improvement after which --early-stopping ends the training', {
      default: 10,
      absent: 10,
    }),
    { ...part, mayChange: true },
  ),
  minDelta: flag(
    'x',
    nonNegative('what --early-stopping does not count as an improvement', { default: 0, absent: 0 }),
    { ...part, mayChange: true },
  ),
  smoothing: flag(
    'share',
    number({ minimum: 0, exclusiveMaximum: 1 })(
      'share of the past in the moving average that --early-stopping watches',
      { default: 0, absent: 0 },
    ),
    part,
  ),
};

/** The callback that the options ask for. */
export function stoppingFor(
  recipe: KnownStopping & {
    readonly patience: number;
    readonly minDelta: number;
    readonly smoothing: number;
  },
): EarlyStopping[] {
  const { earlyStopping: metric, patience, minDelta, smoothing } = recipe;
  return metric === null ? [] : [earlyStopping({ metric, patience, minDelta, smoothing })];
}
