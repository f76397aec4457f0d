/** The schedules of `--schedule`. Those that count epochs are fitted to the length of the training. */
import * as schedules from '../schedules';
import { named } from './names';
import { firstShare, type Scaling } from './scaling';
import { withWarmup, type Warmup } from './warmup';

/** What schedules are fitted to. */
interface Length {
  readonly epochs: number;
  /** The share of the training split that is held out. */
  readonly validation: number;
}

export const SCHEDULES = named<(length: Length) => schedules.Schedule>()({
  constant: () => schedules.constant(),
  step: ({ epochs }) => schedules.step({ size: Math.max(1, Math.ceil(epochs / 3)), gamma: 0.1 }),
  exponential: ({ epochs }) => schedules.exponential({ gamma: 0.01 ** (1 / epochs) }),
  inverse: ({ epochs }) => schedules.inverse({ k: 9 / epochs }),
  'inverse-sqrt': () => schedules.inverseSqrt({ per: 'epoch' }),
  cosine: () => schedules.cosine(),
  linear: () => schedules.linear(),
  polynomial: () => schedules.polynomial(),
  'warm-restarts': ({ epochs }) =>
    schedules.warmRestarts({ period: Math.max(1, Math.ceil(epochs / 7)), growth: 2 }),
  'one-cycle': () => schedules.oneCycle(),
  plateau: ({ epochs, validation }) =>
    schedules.reduceOnPlateau({
      metric: validation > 0 ? 'validationLoss' : 'trainLoss',
      patience: Math.max(1, Math.floor(epochs / 10)),
    }),
});

export type ScheduleName = keyof typeof SCHEDULES;

export interface ScheduleChoice extends Length, Scaling {
  readonly schedule: ScheduleName;
  readonly warmup: Warmup;
}

/** The chosen schedule, after its warm-up. */
export function buildSchedule(choice: ScheduleChoice): schedules.Schedule {
  return withWarmup(choice.warmup, firstShare(choice), SCHEDULES[choice.schedule](choice));
}
