/** `tenon predict`: the class and probability of image files. */
import { Argument, type Command } from 'commander';
import { decodeImage } from '../data/decode-image';
import { keptDataset, readKept } from '../data/kept-images';
import type { Preprocessing } from '../data/preprocessing';
import { checkViews, viewsOf, type ViewOptions } from '../data/views';
import { FormatError } from '../errors';
import { DEFAULT_LIMITS, IMAGE_LIMITS } from '../files/limits';
import { setThreads } from '../native';
import type { Module, PredictOptions } from '../nn';
import { load } from '../nn/files/load';
import { clip } from '../options';
import { positiveInteger, type ValuesOf } from '../settings';
import { declareCommand, withDefaults } from './command';
import { EXIT, failureOf } from './exit-codes';
import {
  flag,
  JSON_LINES,
  limitsFlag,
  MODEL_FILE,
  PRECISION,
  SAMPLING,
  THREADS,
  keptFor,
  viewOptions,
  VIEWS,
} from './flags';
import { percent } from './output';
import type { Session } from './session';

const FLAGS = {
  modelFile: MODEL_FILE,
  top: flag('k', positiveInteger('number of classes to print', { default: 1 })),
  ...VIEWS,
  limits: limitsFlag(IMAGE_LIMITS),
  ...SAMPLING,
  precision: PRECISION,
  threads: THREADS,
  json: JSON_LINES,
};

type PredictFlags = ValuesOf<typeof FLAGS>;

/** How many images are decoded and run together. */
const BATCH = 64;
/** The same of images that keep sizes of their own, which may be large. */
const BATCH_OF_VIEWS = 8;

export function predictCommand(session: Session): Command {
  const about = 'print the class and probability of each image';
  const argument = new Argument(
    '<image...>',
    'PNG, JPEG or WebP files; they are resized as the images that the model was trained on',
  );
  return declareCommand(session, { name: 'predict', about, argument, flags: FLAGS }, (given, images) =>
    predict(session, images, withDefaults(FLAGS, given)),
  );
}

async function predict(session: Session, images: readonly string[], flags: PredictFlags): Promise<number> {
  if (flags.threads !== undefined) setThreads(flags.threads);
  const model = await load(flags.modelFile);
  const settings = preprocessingOf(flags.modelFile, model);
  const views = viewOptions(flags);
  const size = views === undefined ? BATCH : BATCH_OF_VIEWS;
  let failed = 0;
  for (let at = 0; at < images.length && !session.signal.aborted; at += size) {
    const batch = images.slice(at, at + size);
    const answers =
      views === undefined
        ? await answersTo(model, settings, batch, flags)
        : await averagesFor(model, settings, batch, flags, views);
    for (const [i, result] of answers.entries()) {
      if (result.status === 'fulfilled') {
        report(session, batch[i] ?? '', rank(result.value, model.classNames, flags.top));
      } else {
        failed++;
        const { code, message } = failureOf(result.reason);
        session.output.failure(code, message);
      }
    }
  }
  if (session.signal.aborted) return session.interruptedCode;
  session.output.event('done', { images: images.length, failed });
  return failed > 0 ? EXIT.failed : EXIT.ok;
}

type Settings = ReturnType<typeof preprocessingOf>;
/** The probabilities of each file, or what is wrong with it. */
type Answers = PromiseSettledResult<Float32Array>[];

function passes({ precision, samples, seed }: PredictFlags): PredictOptions {
  return { precision, ...(samples && { samples }), ...(seed !== undefined && { seed }) };
}

/** Puts the outputs of the files that could be read in their places. */
function inPlace(read: readonly PromiseSettledResult<unknown>[], outputs: Float32Array): Answers {
  const good = read.filter(({ status }) => status === 'fulfilled').length;
  const classes = outputs.length / Math.max(1, good);
  let row = 0;
  return read.map((result) =>
    result.status === 'rejected'
      ? result
      : { status: 'fulfilled', value: outputs.subarray(row * classes, ++row * classes) },
  );
}

function valuesOf<T>(read: readonly PromiseSettledResult<T>[]): T[] {
  return read.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

async function answersTo(
  model: Module,
  settings: Settings,
  files: readonly string[],
  flags: PredictFlags,
): Promise<Answers> {
  const read = await Promise.allSettled(files.map((file) => decodeImage(file, settings, flags.limits)));
  const pixels = valuesOf(read);
  if (pixels.length === 0) return inPlace(read, new Float32Array(0));
  return inPlace(read, await model.predict(Buffer.concat(pixels), passes(flags)));
}

/** Averages over views of images that keep sizes of their own. */
async function averagesFor(
  model: Module,
  settings: Settings,
  files: readonly string[],
  flags: PredictFlags,
  options: ViewOptions,
): Promise<Answers> {
  const { height, width, channels } = settings;
  const views = viewsOf('predict', options)!;
  const limits = { ...DEFAULT_LIMITS, ...flags.limits };
  const read = await Promise.allSettled(
    files.map(async (file) => {
      const image = await readKept(file, keptFor(options), channels, limits);
      checkViews('predict', views, [height, width], image.size, () => clip(file));
      return image;
    }),
  );
  const images = valuesOf(read);
  if (images.length === 0) return inPlace(read, new Float32Array(0));
  const set = await keptDataset(images, settings);
  try {
    return inPlace(read, await model.predict(set, { ...passes(flags), ...options }));
  } finally {
    set.dispose();
  }
}

/**
 * What images the model takes.
 * @throws FormatError if the file does not say, or asks for what image files do not hold
 */
export function preprocessingOf(file: string, model: Module): Preprocessing & { readonly channels: 1 | 3 } {
  const settings = model.preprocessing;
  if (settings === undefined)
    throw new FormatError(
      `${clip(file)}: does not describe its preprocessing, so it cannot take image files`,
    );
  const { channels } = settings;
  if (channels !== 1 && channels !== 3)
    throw new FormatError(`${clip(file)}: takes images of ${channels} channels, but image files have 1 or 3`);
  return { ...settings, channels };
}

interface Ranked {
  readonly class: string;
  readonly probability: number;
}

/** The `count` most probable classes, best first. Equal ones are in order of their index. */
function rank(
  probabilities: Float32Array,
  classNames: readonly string[] | undefined,
  count: number,
): Ranked[] {
  const indices = Array.from(probabilities, (_, i) => i);
  indices.sort((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0) || a - b);
  return indices
    .slice(0, count)
    .map((i) => ({ class: classNames?.[i] ?? String(i), probability: probabilities[i] ?? 0 }));
}

function report(session: Session, image: string, ranked: readonly Ranked[]): void {
  const [best] = ranked;
  session.output.event('prediction', {
    image,
    class: best?.class ?? null,
    probability: best?.probability ?? null,
    top: ranked.map((entry) => ({ ...entry })),
  });
  const shown = ranked.map((entry) => `${entry.class} ${percent(entry.probability)}`);
  session.output.line(`${image}  ${shown.join('  ')}`);
}
