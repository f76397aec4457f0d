/** The options of `tenon train`. training.ts does the work. */
import type { Command } from 'commander';
import { bool, nonEmptyString } from '../settings';
import { declareCommand } from './command';
import { flag, JSON_LINES, THREADS } from './flags';
import { SETTINGS } from './recipe';
import type { Session } from './session';
import { train } from './training';

const FLAGS = {
  ...SETTINGS,
  threads: THREADS,
  out: flag('dir', nonEmptyString('where to write results', { optional: true }), {
    note: 'runs/DATASET-MODEL',
  }),
  resume: flag('dir', nonEmptyString('continue the run in this directory', { optional: true })),
  autoResume: bool('continue the run in --out if one is there, and begin it otherwise', { default: false }),
  json: JSON_LINES,
};

const FILES_HELP = `
The --out directory gets model.safetensors (weights, architecture, preprocessing, class names), history.jsonl (one line
per epoch), run.json (the options) and checkpoints/. Only one run at a time can write there.

docs/command-line.md lists the defaults and the fields of --json.
`;

export function trainCommand(session: Session): Command {
  const about = 'train a network; without options, on the embedded data set';
  return declareCommand(
    session,
    { name: 'train', about, flags: FLAGS, more: FILES_HELP },
    ({ threads, out, resume, autoResume, json: _json, ...settings }) =>
      train(session, settings, { threads, out, resume, autoResume }),
  );
}
