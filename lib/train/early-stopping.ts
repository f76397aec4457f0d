/** Early stopping: training ends when a figure of its epochs has stopped improving. */
import { FormatError, OptionError } from '../errors';
import { countIn, fieldsOf, numberIn, textIn, type Fields } from '../files/json-fields';
import { clip, clipList, nearest, show } from '../options';
import {
  bool,
  declareSettings,
  nonEmptyString,
  nonNegative,
  number,
  oneOf,
  positiveInteger,
  type OptionsOf,
  type ValuesOf,
} from '../settings';
import type { BestEpoch, Callback, EpochEvent, FitControl, FitEvent, StartEvent } from './events';
import { figureOf } from './figures';
import type { CallbackState, ResumedRun, SavedCallbackState } from './saved-state';
import { Snapshot } from './snapshot';

const MODES = ['min', 'max'] as const;
type Mode = (typeof MODES)[number];

/** Which way the figures of every run improve. */
const KNOWN_MODES: Readonly<Record<string, Mode>> = {
  trainLoss: 'min',
  validationLoss: 'min',
  trainAccuracy: 'max',
  validationAccuracy: 'max',
};

const settings = declareSettings({
  metric: nonEmptyString(
    "The figure that is watched: trainLoss, trainAccuracy, validationLoss, validationAccuracy, or a name in the epoch's validationMetrics.",
    { default: 'validationLoss' },
  ),
  mode: oneOf(MODES)(
    "Whether the figure should fall or rise. Losses fall and accuracies rise by default; for fit's metrics, say which.",
    { optional: true },
  ),
  patience: positiveInteger('How many epochs in a row without improvement end the training.', {
    default: 10,
  }),
  minDelta: nonNegative('Better by no more than this does not count as an improvement.', { default: 0 }),
  smoothing: number({ minimum: 0, exclusiveMaximum: 1 })(
    'Share of the past in an exponential moving average of the figure, which is compared in its place.',
    { default: 0 },
  ),
  window: positiveInteger('Compares the mean of this many last epochs instead.', { optional: true }),
  restoreBest: bool('The weights of the best epoch are put back at the end.', { default: true }),
  name: nonEmptyString("The callback's name, for checkpoints and `history.stopped`.", {
    default: 'earlyStopping',
  }),
});

export type EarlyStoppingOptions = OptionsOf<typeof settings>;

/** Made by {@link earlyStopping}. */
export class EarlyStopping implements Callback {
  readonly name: string;
  private readonly options: ValuesOf<typeof settings> & { readonly mode: Mode };
  private readonly weights = new Snapshot();
  private found: BestEpoch | undefined;
  /** Epochs since the best one. */
  private waited = 0;
  private smoother: Smoother;
  private resumed = false;

  constructor(options: EarlyStoppingOptions = {}) {
    const where = 'earlyStopping';
    const values = settings.read(where, options);
    const { metric, mode, smoothing, window } = values;
    if (smoothing > 0 && window !== undefined)
      throw new OptionError(`${where}: smoothing and window exclude each other`);
    this.options = { ...values, mode: mode ?? modeOf(where, metric) };
    this.name = values.name;
    this.smoother = new Smoother(smoothing, window);
  }

  /** The best epoch so far. */
  get best(): BestEpoch | undefined {
    return this.found;
  }

  /** What `fit` calls at each event. */
  async onEvent(event: FitEvent, control: FitControl): Promise<void> {
    if (event.type === 'start') this.start(event, control);
    if (event.type === 'epoch') await this.compare(event, control);
  }

  onEnd(): void {
    this.weights.dispose();
    this.resumed = false; // also where the run that took the state back did not begin
  }

  state(): CallbackState {
    const { metric, mode, restoreBest } = this.options;
    const { found, waited, smoother } = this;
    const weights = restoreBest && found !== undefined ? this.weights.state() : undefined;
    return {
      data: {
        metric,
        mode,
        waited,
        best: found === undefined ? null : { ...found },
        smoothed: smoother.state(),
        weights: weights?.data ?? null,
      },
      ...(weights && { tensors: weights.tensors }),
    };
  }

  /** @throws FormatError for a state that is damaged, OptionError for one of another figure */
  async restore({ data, tensors }: SavedCallbackState, run: ResumedRun): Promise<void> {
    const { metric, mode, restoreBest, smoothing, window } = this.options;
    const fields = fieldsOf(FILE, this.name, data);
    for (const [key, value] of [
      ['metric', metric],
      ['mode', mode],
    ] as const) {
      const saved = textIn(FILE, fields, key);
      if (saved !== value)
        throw new OptionError(
          `${this.name}: the run that is resumed watched ${key} ${clip(saved)}, this one watches ${value}`,
        );
    }
    const found = fields.best === null ? undefined : bestIn(fields, metric);
    const waited = countIn(FILE, fields, 'waited');
    const smoother = new Smoother(smoothing, window);
    smoother.restore(fieldsOf(FILE, 'smoothed', fields.smoothed));
    if (restoreBest && found !== undefined) {
      if (fields.weights === null)
        throw new OptionError(
          `${this.name}: the run that is resumed kept no best weights; it had restoreBest: false`,
        );
      await this.weights.load({ data: fields.weights, tensors }, run);
    }
    [this.found, this.waited, this.smoother, this.resumed] = [found, waited, smoother, true];
  }

  private start({ metrics }: StartEvent, control: FitControl): void {
    const { metric, smoothing, window } = this.options;
    if (!metrics.includes(metric)) throw unknownMetric(this.name, metric, metrics);
    if (!this.resumed) {
      [this.found, this.waited] = [undefined, 0];
      this.smoother = new Smoother(smoothing, window);
    }
    this.resumed = false;
    if (this.found !== undefined) this.keep(this.found, control);
    this.stopIfDue(control);
  }

  private async compare(event: EpochEvent, control: FitControl): Promise<void> {
    const { metric, mode, minDelta, restoreBest } = this.options;
    const value = figureOf(event, metric);
    if (value === undefined)
      throw new OptionError(`${this.name}: epoch ${event.epoch} has no ${clip(metric)}`);
    this.waited++;
    // A figure that is not finite does not count, and must not spoil the average.
    if (Number.isFinite(value)) {
      const smoothed = this.smoother.add(value);
      const rise = smoothed - (this.found?.smoothed ?? smoothed);
      if (this.found === undefined || (mode === 'min' ? -rise : rise) > minDelta) {
        [this.found, this.waited] = [{ metric, epoch: event.epoch, value, smoothed }, 0];
        if (restoreBest) await control.snapshot(this.weights);
        this.keep(this.found, control);
      }
    }
    this.stopIfDue(control);
  }

  private keep(best: BestEpoch, control: FitControl): void {
    control.keepBest(best, this.options.restoreBest ? this.weights : undefined);
  }

  private stopIfDue(control: FitControl): void {
    if (this.waited >= this.options.patience) control.stop(this.name);
  }
}

/** Where messages say that the state was found. */
const FILE = 'state.json';

/** The moving average of a figure, or the mean of its last values. */
class Smoother {
  private sum = 0;
  /** What the shares in `sum` add up to: dividing by it corrects for the beginning. */
  private weight = 0;
  private recent: number[] = [];

  constructor(
    private readonly smoothing: number,
    private readonly window: number | undefined,
  ) {}

  /** Takes in a value, and returns what is compared. */
  add(value: number): number {
    const { smoothing, window } = this;
    if (window !== undefined) {
      this.recent = [...this.recent, value].slice(-window);
      return this.recent.reduce((sum, v) => sum + v, 0) / this.recent.length;
    }
    if (smoothing === 0) return value;
    this.sum = smoothing * this.sum + (1 - smoothing) * value;
    this.weight = smoothing * this.weight + (1 - smoothing);
    return this.sum / this.weight;
  }

  state(): { sum: number; weight: number; recent: number[] } {
    const { sum, weight, recent } = this;
    return { sum, weight, recent };
  }

  restore(fields: Fields): void {
    const { recent } = fields;
    this.sum = numberIn(FILE, fields, 'sum');
    this.weight = numberIn(FILE, fields, 'weight');
    if (!Array.isArray(recent) || !recent.every((value) => typeof value === 'number'))
      throw new FormatError(`${FILE}: recent is not a list of numbers`);
    this.recent = recent.slice(-(this.window ?? 1));
  }
}

function modeOf(where: string, metric: string): Mode {
  if (Object.hasOwn(KNOWN_MODES, metric)) return KNOWN_MODES[metric]!;
  const near = nearest(metric, Object.keys(KNOWN_MODES));
  const hint = near === undefined ? '' : ` (or did you mean ${show(near)}?)`;
  throw new OptionError(
    `${where}: say mode: 'min' or 'max' for ${show(metric)}: whether it should fall or rise${hint}`,
  );
}

function unknownMetric(where: string, metric: string, known: readonly string[]): OptionError {
  const near = nearest(metric, known);
  const hint = near === undefined ? '' : ` (did you mean ${show(near)}?)`;
  const missing = metric.startsWith('validation') && !known.includes('validationLoss');
  const cause = missing ? '; fit has no validation set' : '';
  return new OptionError(
    `${where}: no epoch of this run reports ${show(metric)}${hint}; known: ${clipList(known)}${cause}`,
  );
}

function bestIn(fields: Fields, metric: string): BestEpoch {
  const best = fieldsOf(FILE, 'best', fields.best);
  return {
    metric,
    epoch: countIn(FILE, best, 'epoch'),
    value: numberIn(FILE, best, 'value'),
    smoothed: numberIn(FILE, best, 'smoothed'),
  };
}

/**
 * Ends training when a figure of the epochs has not improved for `patience` epochs, and then puts the weights
 * of the best epoch back, with running statistics and averages. They are put back too when training ends for
 * another reason, unless it fails or is aborted. `history.best` says which epoch was the best, and
 * `history.stopped` is 'earlyStopping' if it ended the training. Checkpoints keep what it has seen and the
 * best weights: a resumed run stops at the same epoch with the same weights, bit for bit. Prechelt 1998,
 * "Early stopping - but when?".
 *
 * `fit(train, { validation, callbacks: [earlyStopping({ patience: 5, smoothing: 0.6 })] })`
 *
 * @throws OptionError; `fit` rejects with one if no epoch reports the figure
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): EarlyStopping {
  return new EarlyStopping(options);
}
