/** `tenon train`: its options. What they lead to is in training.ts. */
import type { Command } from 'commander';
import { nonEmptyString } from '../settings';
import { declareCommand } from './command';
import { flag, JSON_LINES, THREADS } from './flags';
import { SETTINGS } from './recipe';
import type { Session } from './session';
import { train } from './training';

const FLAGS = {
  ...SETTINGS,
  threads: THREADS,
  out: flag('dir', nonEmptyString('where results go', { optional: true }), { note: 'runs/DATASET-MODEL' }),
  resume: flag('dir', nonEmptyString('go on with the interrupted run in this directory', { optional: true })),
  json: JSON_LINES,
};

const FILES_HELP = `
--out gets model.safetensors (weights, architecture, preprocessing, class names), history.jsonl (a line an epoch, written
as it ends), run.json (the options) and checkpoints/. One run at a time writes there; a second one is refused.

With --json, lines are objects with "event": "start", "epoch", "done" or "error". An epoch has epoch, trainLoss, trainAccuracy,
validationLoss, validationAccuracy, imagesPerSecond, dataWaitMs, learningRate; done has testAccuracy (where there is a test split) and model.
`;

export function trainCommand(session: Session): Command {
  const about = 'train a network; without options, on the embedded data set';
  return declareCommand(
    session,
    { name: 'train', about, flags: FLAGS, more: FILES_HELP },
    ({ threads, out, resume, json: _json, ...settings }) =>
      train(session, settings, { threads, out, resume }),
  );
}
