/** Checks of what training and evaluation are made of. */
import { OptionError } from '../errors';
import * as losses from '../losses';
import type { Loss } from '../losses';
import { show } from '../options';
import * as schedules from '../schedules';
import type { Schedule } from '../schedules';

/** @throws OptionError */
export function checkLoss(where: string, value: unknown): asserts value is Loss {
  if (typeof value !== 'function')
    throw new OptionError(`${where}: loss must be a loss such as losses.crossEntropy(), got ${show(value)}`);
  refuseMaker(where, 'loss', 'losses', losses, value);
}

/** @throws OptionError */
export function checkSchedule(where: string, value: unknown): asserts value is Schedule {
  if (typeof value !== 'function')
    throw new OptionError(`${where}: schedule must be one such as schedules.cosine(), got ${show(value)}`);
  refuseMaker(where, 'schedule', 'schedules', schedules, value);
}

/** @throws OptionError where `value` is what makes a loss or a schedule, which are functions themselves */
function refuseMaker(where: string, name: string, space: string, makers: object, value: unknown): void {
  const maker = Object.entries(makers).find(([, candidate]) => candidate === value);
  if (maker !== undefined)
    throw new OptionError(
      `${where}: ${name} is ${space}.${maker[0]}, a function that makes one; call it: ${space}.${maker[0]}()`,
    );
}
