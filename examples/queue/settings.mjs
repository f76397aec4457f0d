/** The settings of a training job: what they may be, and what they mean. */
import { join } from 'node:path';
import { data, models, OptionError } from 'tenon';

/** Jobs name a data set rather than a path, so nobody who may add jobs can have other files read. */
const inFolder = (name) => join(process.env.DATA ?? 'data', name);

/** How each data set is opened, and the channels and the side of its images. */
const DATASETS = {
  glyphs: { channels: 1, side: 28, open: () => data.glyphs() },
  mnist: { channels: 1, side: 28, open: () => data.mnist({ dir: inFolder('mnist') }) },
  cifar10: { channels: 3, side: 32, open: () => data.cifar10({ dir: inFolder('cifar10') }) },
};

const MODELS = { lenet: models.lenet, lenet5: models.lenet5, resnet20: models.cifarResnet20 };

const choice = (record) => ({
  accepts: (value) => typeof value === 'string' && Object.hasOwn(record, value),
  expected: `one of ${Object.keys(record).join(', ')}`,
});
const whole = (least, most) => ({
  accepts: (value) => Number.isInteger(value) && value >= least && value <= most,
  expected: `a whole number from ${least} to ${most}`,
});

/** Each setting: its default, which values it accepts, and how messages say so. */
export const SETTINGS = {
  dataset: { default: 'glyphs', ...choice(DATASETS) },
  model: { default: 'lenet', ...choice(MODELS) },
  epochs: { default: 5, ...whole(1, 1000) },
  batchSize: { default: 64, ...whole(1, 4096) },
  learningRate: {
    default: 0.001,
    accepts: (value) => Number.isFinite(value) && value > 0 && value <= 10,
    expected: 'a number above 0 and up to 10',
  },
  /** Trains on no more than so many samples, for a quick try. */
  samples: { default: 1_000_000, ...whole(100, 1_000_000) },
  seed: { default: 0, ...whole(0, 2 ** 31 - 1) },
};

/**
 * Checks settings, which may come from anywhere, and fills in the defaults.
 * @throws OptionError
 */
export function checkSettings(given) {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new OptionError('job: settings must be an object');
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(SETTINGS, name));
  if (unknown.length > 0)
    throw new OptionError(`job: unknown ${unknown.join(', ')}; known: ${Object.keys(SETTINGS).join(', ')}`);
  return Object.fromEntries(
    Object.entries(SETTINGS).map(([name, setting]) => {
      const value = given[name] ?? setting.default;
      if (setting.accepts(value)) return [name, value];
      throw new OptionError(`job: ${name} must be ${setting.expected}, got ${JSON.stringify(value)}`);
    }),
  );
}

/** @throws DataError where the data are not there, FormatError where they are damaged */
export async function openData({ dataset, samples }) {
  const { train, test } = await DATASETS[dataset].open();
  return { train: train.take(samples), test };
}

export function makeModel({ model, dataset, seed }, classes) {
  const { channels, side } = DATASETS[dataset];
  return MODELS[model]({ inChannels: channels, imageSize: side, classes, seed });
}
