/** `tenon evaluate`: loss, accuracy and scores of each class of a trained model on a data set. */
import type { Command } from 'commander';
import type { Dataset } from '../data';
import * as losses from '../losses';
import * as metrics from '../metrics';
import { setThreads } from '../native';
import type { Module } from '../nn';
import { load } from '../nn/files/load';
import { bool, oneOf, positiveInteger, type ValuesOf } from '../settings';
import { evaluate } from '../train/evaluate';
import { reportFields, reportLines } from './class-report';
import { declareCommand, withDefaults, type Given } from './command';
import { checkConflicts, DATA_FLAGS } from './data-flags';
import { openTestSplit } from './datasets';
import { EXIT } from './exit-codes';
import {
  flag,
  JSON_LINES,
  MODEL_FILE,
  PRECISION,
  SAMPLING,
  THREADS,
  keptFor,
  viewOptions,
  VIEWS,
} from './flags';
import type { FolderForm } from './folder-splits';
import { requireOneProcess } from './job';
import { percent } from './output';
import { preprocessingOf } from './predict';
import { withDataset } from './recognize';
import type { Session } from './session';
import { reportSkipped, skippedFields } from './skipped';

const { dataset, data, onError, limits } = DATA_FLAGS;

const FLAGS = {
  modelFile: MODEL_FILE,
  ...{ dataset, data, onError, limits },
  split: flag('name', oneOf(['train', 'test'])('which split of the data set', { default: 'test' })),
  batchSize: flag('n', positiveInteger('examples per batch', { default: 128 })),
  report: bool('also print precision, recall and F1 of each class, and the confusion matrix', {
    default: false,
  }),
  ...SAMPLING,
  ...VIEWS,
  precision: PRECISION,
  threads: THREADS,
  json: JSON_LINES,
};

type EvaluateFlags = ValuesOf<typeof FLAGS>;

export function evaluateCommand(session: Session): Command {
  const about = 'print the loss and accuracy of a trained model';
  return declareCommand(session, { name: 'evaluate', about, flags: FLAGS }, (given) => run(session, given));
}

async function run(session: Session, options: Given<typeof FLAGS>): Promise<number> {
  requireOneProcess(', but tenon evaluate works in one process: start it without a launcher');
  const given = await withDataset(options);
  const flags = withDefaults(FLAGS, given);
  checkConflicts(DATA_FLAGS, given, flags);
  if (flags.threads !== undefined) setThreads(flags.threads);
  const model = await load(flags.modelFile);
  const { height, width, channels, resize } = preprocessingOf(flags.modelFile, model);
  const views = viewOptions(flags);
  const form: FolderForm = {
    size: [height, width],
    channels,
    ...(model.classNames && { classNames: model.classNames }),
    ...(views === undefined ? resize && { resize } : { keep: keptFor(views) }),
  };
  const split = await openTestSplit(
    { ...flags, imageSize: null, resize: null },
    flags.split,
    form,
    session.signal,
  );
  reportSkipped(session.output, flags.split, split);
  const fields = { model: flags.modelFile, dataset: flags.dataset, images: split.length };
  session.output.event('start', { ...fields, skipped: skippedFields(split) });
  await measure(session, flags, model, split);
  return EXIT.ok;
}

/** The fewest classes for which the five best answers say anything. */
const TOP5_FROM = 6;

async function measure(
  { output, signal }: Session,
  flags: EvaluateFlags,
  model: Module,
  split: Dataset,
): Promise<void> {
  const names = model.classNames ?? split.classNames;
  const top = names.length >= TOP5_FROM ? metrics.running(metrics.topK(5)) : undefined;
  const matrix = flags.report ? metrics.running(metrics.confusionMatrix(names.length)) : undefined;
  const { loss, accuracy } = await evaluate(model, split, {
    loss: losses.crossEntropy(),
    batchSize: flags.batchSize,
    precision: flags.precision,
    ...(flags.samples && { samples: flags.samples }),
    ...(flags.seed !== undefined && { seed: flags.seed }),
    signal,
    ...viewOptions(flags),
    metrics: [...(top ? [top] : []), ...(matrix ? [matrix] : [])],
  });
  const [top5, report] = await Promise.all([top?.value(), matrix?.value()]);
  const fields = { loss, accuracy, top5, images: split.length };
  output.event('done', report ? { ...fields, report: reportFields(report, names) } : fields);
  const best = top5 === undefined ? '' : `, top-5 ${percent(top5)}`;
  output.line(`${split.length} images: loss ${loss.toFixed(4)}, accuracy ${percent(accuracy ?? NaN)}${best}`);
  if (report === undefined) return;
  output.line();
  for (const line of reportLines(report, names)) output.line(line);
}
