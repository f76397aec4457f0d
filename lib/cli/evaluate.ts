/** `tenon evaluate`: loss and accuracy of a trained model on a data set. */
import { Command, Option } from 'commander';
import { FormatError } from '../errors';
import * as losses from '../losses';
import { setThreads } from '../native';
import { load } from '../nn/load';
import { positiveInteger } from '../options';
import * as optim from '../optim';
import { Trainer } from '../train/trainer';
import { openTestSplit, type FolderForm } from './datasets';
import { EXIT, EXIT_HELP } from './exit-codes';
import { choiceFlag, jsonOption, numberFlag, precisionOption, textFlag, threadsOption } from './flags';
import { percent } from './output';
import { modelFileOption, preprocessingOf } from './predict';
import { DATASETS, checkDataOptions, type DatasetName } from './recipe';
import type { Precision } from '../tensor/dtype';
import type { Session } from './session';

interface EvaluateFlags {
  readonly modelFile: string;
  readonly dataset?: DatasetName;
  readonly data?: string;
  readonly split?: 'train' | 'test';
  readonly batchSize?: number;
  readonly precision?: Precision;
  readonly threads?: number;
}

export function evaluateCommand(session: Session): Command {
  const command = new Command('evaluate')
    .description('print loss and accuracy of a trained model')
    .addOption(modelFileOption())
    .addOption(
      new Option('--dataset <name>', `${DATASETS.join(', ')} (default: glyphs)`).argParser(
        choiceFlag('--dataset', DATASETS),
      ),
    )
    .addOption(new Option('--data <dir>', 'where mnist, cifar10 or folder is').argParser(textFlag('--data')))
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
  const settings = preprocessingOf(flags.modelFile, model);
  const { height, width, channels } = settings;
  if (channels !== 1 && channels !== 3)
    throw new FormatError(`${flags.modelFile}: images of ${channels} channels`);
  const form: FolderForm = {
    size: [height, width],
    channels,
    ...(model.classNames && { classNames: model.classNames }),
  };
  const split = await openTestSplit(
    { dataset, data: flags.data ?? null, imageSize: null },
    flags.split ?? 'test',
    form,
  );
  const { output } = session;
  output.event('start', { model: flags.modelFile, dataset, images: split.length });
  // Evaluation changes nothing, but a Trainer is what evaluates; its optimizer is never asked.
  const trainer = new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr: 0 }),
    precision: flags.precision ?? 'fp32',
  });
  const { loss, accuracy } = await trainer.evaluate(split, {
    batchSize: flags.batchSize ?? 128,
    signal: session.signal,
  });
  output.event('done', { loss, accuracy, images: split.length });
  output.line(`${split.length} images: loss ${loss.toFixed(4)}, accuracy ${percent(accuracy ?? NaN)}`);
  return EXIT.ok;
}
