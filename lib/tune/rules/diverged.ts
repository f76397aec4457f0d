/** Ends trials whose loss explodes: the lecture's rule for a search over learning rates. */
import { declareSettings, number, type OptionsOf } from '../../settings';
import { declareRule, shown } from './declare';

const settings = declareSettings({
  factor: number({ minimum: 1 })(
    "How many times the trial's first report a report may be where the study minimizes.",
    { default: 3 },
  ),
});

export type DivergedOptions = OptionsOf<typeof settings>;

/**
 * Stops a trial once it reports NaN or an infinity, and where the study minimizes also once it reports more
 * than `factor` times its first report. A first report of 0 or less has no multiple to hold others against,
 * and neither have values that are maximized, such as accuracies: there only NaN and infinities count.
 * @throws OptionError
 */
export const diverged = declareRule('diverged', settings, ({ factor }) => ({ trial, direction }) => {
  const { reports } = trial;
  const first = reports[0]?.value ?? NaN;
  const last = reports.at(-1)?.value ?? first;
  if (reports.length === 0) return undefined;
  if (!Number.isFinite(last)) return `the report is ${last}`;
  if (direction === 'maximize' || first <= 0 || !(last > factor * first)) return undefined;
  return `${shown(last)} is above ${shown(factor)} x the first report, ${shown(first)}`;
});
