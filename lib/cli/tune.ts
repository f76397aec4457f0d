/** The options of `tenon tune`, and its subcommands. tuning.ts does the work. */
import type { Command } from 'commander';
import {
  bool,
  kind,
  listOf,
  nonEmptyString,
  nonNegativeInteger,
  positive,
  positiveInteger,
} from '../settings';
import { OptionError } from '../errors';
import { positiveInteger as checkPositiveInteger, show } from '../options';
import { declareCommand, withDefaults, type Given } from './command';
import { flag, JSON_LINES, parseNumber, THREADS } from './flags';
import type { Session } from './session';
import { HELD_OUT, METRIC, TRIAL_SETTINGS } from './trial-settings';
import { RULE_NAMES, rulesText, STRATEGY_NAMES, strategyText } from './tune-calls';
import { portNumber, tuneDashboardCommand } from './tune-dashboard';
import { tuneReportCommand } from './tune-report';
import { tune, type TuneFlags } from './tuning';

const optional = { optional: true } as const;

const text = kind<string>({
  check: (where, name, value) => {
    if (typeof value === 'string') return value;
    throw new OptionError(`${where}: ${name} must be a text, got ${show(value)}`);
  },
  domain: { type: 'string' },
});

const workersKind = kind<number | 'mpi'>({
  check: (where, name, value) => (value === 'mpi' ? value : checkPositiveInteger(where, name, value)),
  domain: { type: 'other' },
});

/** What follows `tenon tune` as a word: each in a file of its own, tune-NAME.ts. */
const SUBCOMMANDS: readonly ((session: Session) => Command)[] = [tuneReportCommand, tuneDashboardCommand];

const OWN_FLAGS = {
  search: flag(
    'name=what',
    listOf(nonEmptyString)(
      'searches a setting of train: lr=log(1e-4,1), dropout=uniform(0,0.5), batchSize=32|64|128, optimizer=sgd(momentum=uniform(0,0.99))|adam; may be repeated',
      optional,
    ),
    { parse: (_, text) => [text], many: true },
  ),
  space: flag('file', nonEmptyString('reads the space from a file of JSON', optional)),
  metric: METRIC,
  strategy: flag(
    'call',
    strategyText(`what is tried next, as in tpe(startup=20): ${STRATEGY_NAMES}`, optional),
    {
      note: 'tpe',
    },
  ),
  rules: flag(
    'list',
    rulesText(`what ends trials early, as in median(warmup=2),diverged, or none: ${RULE_NAMES}`, optional),
    { note: 'diverged' },
  ),
  trials: flag('n', positiveInteger('trials in all, with those that the study already has', optional), {
    note: '50; to its end with a strategy that has one',
  }),
  minutes: flag('n', positive('no trial begins after so many minutes', optional), { note: 'no limit' }),
  trialMinutes: flag('n', positive('a trial that runs for longer than so many minutes fails', optional), {
    note: 'no limit',
  }),
  workers: flag(
    'n|mpi',
    workersKind('trials at a time, which divide the threads; mpi: one on each rank that mpirun started', {
      default: 1,
    }),
    { parse: (_, text) => parseNumber(text) },
  ),
  retries: flag(
    'n',
    nonNegativeInteger('how often a trial is tried again whose process died', { default: 1 }),
  ),
  keepBest: flag(
    'n',
    positiveInteger('trials whose models and checkpoints are kept, the best', { default: 3 }),
  ),
  study: flag(
    'url',
    nonEmptyString('keeps the log in a database: postgres://user@host/database#log', optional),
    {
      note: 'study.log in the folder',
    },
  ),
  name: flag('name', nonEmptyString("the study's name in its log", optional), { note: 'study' }),
  out: flag('dir', nonEmptyString("the study's folder", optional), { note: 'runs/tune-DATASET' }),
  resume: flag('dir', text('goes on with the study in this folder', optional), {
    alone: '',
    note: 'off; the folder of --out if none is named',
  }),
  extend: bool('with --resume: lets the space, the strategy and the rules change', { default: false }),
  dashboard: flag('port', portNumber('serves a page that follows the search, on this machine', optional), {
    alone: '8080',
    note: 'off; 8080 if no port is named, 0: any that is free',
  }),
  threads: THREADS,
  json: JSON_LINES,
};

const FLAGS = {
  ...OWN_FLAGS,
  ...TRIAL_SETTINGS,
  validation: { ...TRIAL_SETTINGS.validation, default: HELD_OUT },
};

const MORE = `
The study's folder gets study.log, which Optuna reads, and trials/NNNN, each as the --out directory of tenon train. The
test split is never looked at: trials are judged by images of the training split.

docs/tuning.md says what strategies and rules do; docs/command-line.md has the fields of --json.
`;

export function tuneCommand(session: Session): Command {
  const about = 'search for the settings with which train is best';
  const command = declareCommand(session, { name: 'tune', about, flags: FLAGS, more: MORE }, (given) =>
    tune(session, split(given)),
  );
  for (const option of command.options)
    if (!Object.hasOwn(OWN_FLAGS, option.attributeName()))
      option.helpGroup('What all trials share, as in tenon train:');
  // An option behind a subcommand's name belongs to that, also where both have one of this name.
  command.enablePositionalOptions().helpCommand(false);
  for (const subcommand of SUBCOMMANDS) command.addCommand(subcommand(session));
  return command;
}

/** What belongs to the search, and the settings that all trials share. */
function split(given: Given<typeof FLAGS>): TuneFlags {
  const own: Record<string, unknown> = {};
  const settings: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given))
    if (Object.hasOwn(OWN_FLAGS, name)) own[name] = value;
    else settings[name] = value;
  return { ...withDefaults(OWN_FLAGS, own), settings };
}
