/** The points of a schedule, to be drawn. */
import { declareSettings, kind, nonNegative, positiveInteger, type OptionsOf } from '../settings';
import { checkList } from '../options';
import { scheduledFactor, type EpochMetrics, type Schedule } from './schedule';

const results = kind<readonly EpochMetrics[]>({
  check: (where, name, value) => {
    checkList(where, name, value);
    return value as readonly EpochMetrics[];
  },
  domain: { type: 'list', of: { type: 'other' } },
});

const settings = declareSettings({
  epochs: positiveInteger('Epochs of the training.'),
  stepsPerEpoch: positiveInteger('Points per epoch.', { default: 1 }),
  lr: nonNegative('Learning rate of the optimizer; at 1 the curve is that of the factor.', { default: 1 }),
  history: results('The results of epochs, for schedules that go by them.', { default: [] }),
});

export type CurveOptions = OptionsOf<typeof settings>;

/** The learning rate of one step. */
export interface CurvePoint {
  /** Steps taken before, from 0. */
  readonly step: number;
  /** The same in epochs. */
  readonly epoch: number;
  readonly learningRate: number;
}

/**
 * The learning rate of every step.
 * @throws OptionError, also where the schedule returns something that is not a rate
 */
export function curve(schedule: Schedule, options: CurveOptions): CurvePoint[] {
  const { epochs, stepsPerEpoch, lr, history: all } = settings.read('schedules.curve', options);
  const totalSteps = epochs * stepsPerEpoch;
  return Array.from({ length: totalSteps }, (_, step) => {
    const epoch = Math.floor(step / stepsPerEpoch);
    const history = all.slice(0, epoch);
    const factor = scheduledFactor(schedule, { step, epoch, totalSteps, stepsPerEpoch, history });
    return { step, epoch: step / stepsPerEpoch, learningRate: lr * factor };
  });
}
