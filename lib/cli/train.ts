/** `tenon train`: its options. What they lead to is in training.ts. */
import { Command, Option } from 'commander';
import { LAST_BATCHES, type LastBatch } from '../data/cut';
import { nonNegative, nonNegativeInteger, positive, positiveInteger, probability } from '../options';
import { RESIZE_RULES, type ResizeRule } from '../data/decode';
import type { OnError } from '../data/folder';
import type { ReadLimits } from '../files/limits';
import type { Precision } from '../tensor/dtype';
import { EXIT_HELP } from './exit-codes';
import {
  choiceFlag,
  dataOption,
  jsonOption,
  listFlag,
  numberFlag,
  limitsOption,
  onErrorOption,
  precisionOption,
  textFlag,
  threadsOption,
} from './flags';
import { AUGMENTATIONS, type AugmentationName } from './augmentations';
import { DATASETS, type DatasetName } from './datasets';
import { namesOf } from './names';
import { NETWORKS, type ModelName } from './networks';
import { OPTIMIZERS, type OptimizerName } from './optimizers';
import { SCHEDULES, type ScheduleName } from './schedules';
import type { Session } from './session';
import { train } from './training';
import { checkWarmup, type Warmup } from './warmup';

/** Options of `tenon train`, each absent where it was not given. */
export interface TrainFlags {
  readonly dataset?: DatasetName;
  readonly data?: string;
  readonly imageSize?: number;
  readonly resize?: ResizeRule;
  readonly onError?: OnError;
  readonly limits?: ReadLimits;
  readonly model?: ModelName;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly lastBatch?: LastBatch;
  readonly optimizer?: OptimizerName;
  readonly lr?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly schedule?: ScheduleName;
  readonly warmup?: Warmup;
  readonly augment?: AugmentationName[];
  readonly validation?: number;
  readonly seed?: number;
  readonly precision?: Precision;
  readonly threads?: number;
  readonly out?: string;
  readonly resume?: string;
  readonly json?: boolean;
}

const FILES_HELP = `
--out gets model.safetensors (weights, architecture, preprocessing, class names), history.jsonl (a line an epoch, written
as it ends), run.json (the options) and checkpoints/. One run at a time writes there; a second one is refused.

With --json, lines are objects with "event": "start", "epoch", "done" or "error". An epoch has epoch, trainLoss, trainAccuracy,
validationLoss, validationAccuracy, imagesPerSecond, dataWaitMs, learningRate; done has testAccuracy (where there is a test split) and model.`;

function option(flags: string, description: string, parse: (text: string) => unknown): Option {
  return new Option(flags, description).argParser(parse);
}

function choice(flags: string, description: string, choices: readonly string[]): Option {
  const name = flags.split(' ')[0] ?? flags;
  return option(flags, `${description}: ${choices.join(', ')}`, choiceFlag(name, choices));
}

function dataOptions(): Option[] {
  return [
    choice('--dataset <name>', 'what to train on (default: glyphs, which is embedded)', namesOf(DATASETS)),
    dataOption(),
    option(
      '--image-size <n>',
      'folder: side of the images (default: that of the first, but at most 64, or 224 for alexnet, vgg and resnet18 to 152)',
      numberFlag('--image-size', positiveInteger),
    ),
    choice('--resize <rule>', 'folder: how images come to that size (default: cover)', RESIZE_RULES),
    onErrorOption(),
    limitsOption(),
    option(
      '--validation <share>',
      'share of the training split held out for validation (default: 0.05)',
      numberFlag('--validation', probability),
    ),
    option(
      '--augment <list>',
      `${namesOf(AUGMENTATIONS).join(',')} or none (default: by data set)`,
      listFlag('--augment', namesOf(AUGMENTATIONS)),
    ),
  ];
}

function learningOptions(): Option[] {
  return [
    choice('--model <name>', 'network (default: by data set)', namesOf(NETWORKS)),
    option(
      '--epochs <n>',
      'passes over the training split (default: by data set)',
      numberFlag('--epochs', positiveInteger),
    ),
    option(
      '--batch-size <n>',
      'examples a step (default: by model)',
      numberFlag('--batch-size', positiveInteger),
    ),
    choice('--last-batch <how>', 'what does not fill a batch (default: even)', LAST_BATCHES),
    choice('--optimizer <name>', 'default: by model', namesOf(OPTIMIZERS)),
    option('--lr <x>', 'learning rate (default: by model and optimizer)', numberFlag('--lr', positive)),
    option(
      '--momentum <x>',
      'sgd, lars (default: 0.9), rmsprop (default: 0)',
      numberFlag('--momentum', nonNegative),
    ),
    option(
      '--weight-decay <x>',
      'weight decay (default: by optimizer)',
      numberFlag('--weight-decay', nonNegative),
    ),
    choice('--schedule <name>', 'of the learning rate (default: cosine)', namesOf(SCHEDULES)),
    option(
      '--warmup <length>',
      'how long the learning rate rises first: steps, or epochs as in 1epoch (default: by model)',
      (text) => checkWarmup('option', '--warmup', text),
    ),
    option('--seed <n>', 'of everything random (default: 0)', numberFlag('--seed', nonNegativeInteger)),
  ];
}

export function trainCommand(session: Session): Command {
  const command = new Command('train').description(
    'train a network; without options, on the embedded data set',
  );
  for (const each of [...dataOptions(), ...learningOptions()]) command.addOption(each);
  return command
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(option('--out <dir>', 'where results go (default: runs/DATASET-MODEL)', textFlag('--out')))
    .addOption(
      option('--resume <dir>', 'go on with the interrupted run in this directory', textFlag('--resume')),
    )
    .addOption(jsonOption())
    .addHelpText('after', `${FILES_HELP}\n${EXIT_HELP}`)
    .action(() => session.perform(() => train(session, command.opts<TrainFlags>())));
}
