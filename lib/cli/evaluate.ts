/** `tenon evaluate`: loss, accuracy and scores of each class of a trained model on a data set. */
import { Command, Option } from 'commander';
import type { Dataset } from '../data';
import type { OnError } from '../data/folder';
import type { ReadLimits } from '../files/limits';
import * as losses from '../losses';
import * as metrics from '../metrics';
import { setThreads } from '../native';
import type { Module } from '../nn';
import { load } from '../nn/files/load';
import { positiveInteger } from '../options';
import * as optim from '../optim';
import { Trainer } from '../train/trainer';
import type { Precision } from '../tensor/dtype';
import { reportFields, reportLines } from './class-report';
import { DATASETS, openTestSplit, type DatasetName } from './datasets';
import { EXIT, EXIT_HELP } from './exit-codes';
import type { FolderForm } from './folder-splits';
import {
  choiceFlag,
  dataOption,
  jsonOption,
  numberFlag,
  limitsOption,
  onErrorOption,
  precisionOption,
  threadsOption,
} from './flags';
import { percent } from './output';
import { modelFileOption, preprocessingOf } from './predict';
import { namesOf } from './names';
import { checkDataOptions } from './recipe';
import type { Session } from './session';
import { reportSkipped, skippedFields } from './skipped';

interface EvaluateFlags {
  readonly modelFile: string;
  readonly dataset?: DatasetName;
  readonly data?: string;
  readonly split?: 'train' | 'test';
  readonly onError?: OnError;
  readonly limits?: ReadLimits;
  readonly batchSize?: number;
  readonly report?: boolean;
  readonly precision?: Precision;
  readonly threads?: number;
}

export function evaluateCommand(session: Session): Command {
  const command = new Command('evaluate')
    .description('print loss and accuracy of a trained model')
    .addOption(modelFileOption())
    .addOption(
      new Option('--dataset <name>', `${namesOf(DATASETS).join(', ')} (default: glyphs)`).argParser(
        choiceFlag('--dataset', namesOf(DATASETS)),
      ),
    )
    .addOption(dataOption())
    .addOption(onErrorOption())
    .addOption(limitsOption())
    .addOption(
      new Option('--split <name>', 'train or test (default: test)').argParser(
        choiceFlag('--split', ['train', 'test']),
      ),
    )
    .addOption(
      new Option('--batch-size <n>', 'examples a run (default: 128)').argParser(
        numberFlag('--batch-size', positiveInteger),
      ),
    )
    .addOption(
      new Option('--report', 'precision, recall and F1 of each class, and the confusion matrix as well'),
    )
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText('after', EXIT_HELP);
  return command.action(() => session.perform(() => evaluate(session, command.opts<EvaluateFlags>())));
}

async function evaluate(session: Session, flags: EvaluateFlags): Promise<number> {
  const dataset = flags.dataset ?? 'glyphs';
  checkDataOptions(dataset, flags);
  if (flags.threads !== undefined) setThreads(flags.threads);
  const model = await load(flags.modelFile);
  const { height, width, channels, resize } = preprocessingOf(flags.modelFile, model);
  const form: FolderForm = {
    size: [height, width],
    channels,
    ...(model.classNames && { classNames: model.classNames }),
    ...(resize && { resize }),
  };
  const split = await openTestSplit(
    {
      dataset,
      data: flags.data ?? null,
      imageSize: null,
      resize: null,
      onError: flags.onError ?? 'throw',
      limits: flags.limits ?? {},
    },
    flags.split ?? 'test',
    form,
    session.signal,
  );
  reportSkipped(session.output, flags.split ?? 'test', split);
  const fields = { model: flags.modelFile, dataset, images: split.length };
  session.output.event('start', { ...fields, skipped: skippedFields(split) });
  await measure(session, flags, model, split);
  return EXIT.ok;
}

/** Classes from which on the five best answers say more than that all are among them. */
const TOP5_FROM = 6;

async function measure(
  { output, signal }: Session,
  flags: EvaluateFlags,
  model: Module,
  split: Dataset,
): Promise<void> {
  const names = model.classNames ?? split.classNames;
  const top = names.length >= TOP5_FROM ? metrics.running(metrics.topK(5)) : undefined;
  const matrix = flags.report === true ? metrics.running(metrics.confusionMatrix(names.length)) : undefined;
  // Evaluation changes nothing, but a Trainer is what evaluates; its optimizer is never asked.
  const trainer = new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr: 0 }),
    precision: flags.precision ?? 'fp32',
  });
  const { loss, accuracy } = await trainer.evaluate(split, {
    batchSize: flags.batchSize ?? 128,
    signal,
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
