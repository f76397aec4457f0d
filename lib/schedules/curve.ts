/** The points of a schedule, to be drawn. */
import { checkKeys, nonNegative, positiveInteger } from '../options';
import { scheduledFactor, type EpochMetrics, type Schedule } from './schedule';

export interface CurveOptions {
  readonly epochs: number;
  /** Default 1: a point an epoch. */
  readonly stepsPerEpoch?: number;
  /** Learning rate of the optimizer. Default 1: the factor itself. */
  readonly lr?: number;
  /** The results of epochs, for schedules that go by them. */
  readonly history?: readonly EpochMetrics[];
}

export interface CurvePoint {
  /** Steps taken before, from 0. */
  readonly step: number;
  /** The same in epochs. */
  readonly epoch: number;
  readonly learningRate: number;
}

/**
 * The learning rate of every step. @throws OptionError, also where the schedule returns something that is
 * not a rate
 */
export function curve(schedule: Schedule, options: CurveOptions): CurvePoint[] {
  const where = 'schedules.curve';
  checkKeys(where, options, ['epochs', 'stepsPerEpoch', 'lr', 'history']);
  const epochs = positiveInteger(where, 'epochs', options?.epochs);
  const stepsPerEpoch = positiveInteger(where, 'stepsPerEpoch', options.stepsPerEpoch ?? 1);
  const lr = nonNegative(where, 'lr', options.lr ?? 1);
  const totalSteps = epochs * stepsPerEpoch;
  return Array.from({ length: totalSteps }, (_, step) => {
    const epoch = Math.floor(step / stepsPerEpoch);
    const history = (options.history ?? []).slice(0, epoch);
    const factor = scheduledFactor(schedule, { step, epoch, totalSteps, stepsPerEpoch, history });
    return { step, epoch: step / stepsPerEpoch, learningRate: lr * factor };
  });
}
