/** `tenon inspect`: what a data set holds. */
import type { Command } from 'commander';
import type { Dataset } from '../data';
import { Duplicates, surveyFolder, type Copies, type Spread, type Survey } from '../data/survey';
import { DEFAULT_LIMITS, READ_LIMITS } from '../files/limits';
import { DataError } from '../errors';
import { clip } from '../options';
import { nonEmptyString, oneOf, type ValuesOf } from '../settings';
import { aligned, short } from './class-report';
import { declareCommand, withDefaults, type Given } from './command';
import { checkConflicts, DATA_FLAGS } from './data-flags';
import { DATASETS, openSplits, type DatasetChoice, type DatasetName } from './datasets';
import { EXIT } from './exit-codes';
import { flag, JSON_LINES, limitsFlag } from './flags';
import { splitsOf } from './folder-splits';
import { SHEET_FLAGS, writeSheet } from './inspect-augment';
import { namesOf } from './names';
import { withDataset } from './recognize';
import type { Session } from './session';
import { oneLine } from './skipped';

/** The most broken files, and groups of duplicates of a kind, that the text names; `--json` has all. */
const SHOWN = 20;
/** The most files of a group that the text names. */
const NAMED = 4;

const FLAGS = {
  data: { ...DATA_FLAGS.data, take: 'path' },
  dataset: flag('name', oneOf(namesOf(DATASETS))('data set', { optional: true }), {
    note: 'the one that --data holds; of --augment without --data, glyphs',
  }),
  split: flag('name', nonEmptyString('folder: the split to look at', { optional: true }), {
    note: 'all that there are; of --augment, the training split',
  }),
  limits: { ...limitsFlag(READ_LIMITS), conflict: DATA_FLAGS.limits.conflict },
  ...SHEET_FLAGS,
  json: JSON_LINES,
};

/** What was asked for, with the data set that it means. */
type InspectFlags = ValuesOf<typeof FLAGS> & { readonly dataset: DatasetName };

export function inspectCommand(session: Session): Command {
  const about = 'print what a data set holds, and broken files; or draw what augmentations make of it';
  return declareCommand(session, { name: 'inspect', about, flags: FLAGS }, (given) => run(session, given));
}

async function run(session: Session, options: Given<typeof FLAGS>): Promise<number> {
  const given = await withDataset(options);
  const values = withDefaults(FLAGS, given);
  const generated = values.augment !== undefined && values.data == null;
  const flags = { ...values, dataset: values.dataset ?? (generated ? 'glyphs' : 'folder') };
  checkConflicts(FLAGS, given, flags);
  if (flags.augment !== undefined) await sheet(session, flags);
  else if (await survey(session, flags)) return EXIT.failed;
  return session.signal.aborted ? session.interruptedCode : EXIT.ok;
}

/** Draws what augmentations make of the images of a split. */
async function sheet(session: Session, flags: InspectFlags): Promise<void> {
  const { train, test } = await openPacked(flags, session.signal);
  const { split = 'train', dataset } = flags;
  const set = split === 'train' ? train : split === 'test' ? test : undefined;
  if (set === undefined) throw new DataError(`inspect: ${dataset} has no split ${clip(split)}`);
  await writeSheet(session, set, flags);
}

/** Prints the classes and sizes of all splits; whether a file was broken. */
async function survey(session: Session, flags: InspectFlags): Promise<boolean> {
  const { output } = session;
  const inFiles = DATASETS[flags.dataset].from === 'images';
  const { images, broken, sameBytes, near } = inFiles
    ? await folder(session, flags)
    : await packed(session, flags);
  const duplicates = sameBytes.map(({ files }) => files);
  const nearDuplicates = near.map((copies) => ({ ...copies }));
  output.event('done', { images, broken, duplicates, nearDuplicates });
  reportCopies(output, 'same bytes', sameBytes);
  reportCopies(output, 'near duplicates', near);
  return broken > 0 && !session.signal.aborted;
}

interface Totals {
  readonly images: number;
  readonly broken: number;
  readonly sameBytes: readonly Copies[];
  readonly near: readonly Copies[];
}

async function folder(
  { output, signal }: Session,
  { data, split: only, limits: given }: InspectFlags,
): Promise<Totals> {
  const dir = data ?? '';
  const limits = { ...DEFAULT_LIMITS, ...given };
  const duplicates = new Duplicates();
  let [images, broken] = [0, 0];
  for (const split of only === undefined ? await splitsOf(dir) : [only]) {
    const found = await surveyFolder(
      { dir, limits, signal, ...(split !== undefined && { split }) },
      duplicates,
    );
    report(output, split ?? null, found);
    images += found.images;
    broken += found.broken.length;
  }
  return { images, broken, sameBytes: duplicates.sameBytes(), near: await duplicates.near() };
}

function openPacked(flags: InspectFlags, signal: AbortSignal) {
  const nothing = { imageSize: null, resize: null, onError: 'throw' } as const;
  const { dataset, data, limits } = flags;
  const choice: DatasetChoice = { ...nothing, dataset, data: data ?? null, limits };
  return openSplits(choice, signal);
}

/** A data set in a format of its own: damaged files end the reading. */
async function packed({ output, signal }: Session, flags: InspectFlags): Promise<Totals> {
  const { train, test } = await openPacked(flags, signal);
  const splits = new Map([['train', train], ...(test === undefined ? [] : [['test', test] as const])]);
  const { split: only, dataset } = flags;
  if (only !== undefined && !splits.has(only))
    throw new DataError(`inspect: ${dataset} has no split ${clip(only)}`);
  let images = 0;
  for (const [split, set] of splits) {
    if (only !== undefined && only !== split) continue;
    report(output, split, surveyOf(set));
    images += set.length;
  }
  return { images, broken: 0, sameBytes: [], near: [] };
}

function surveyOf(set: Dataset): Survey {
  const counts = set.classNames.map((name) => ({ name, images: 0 }));
  for (const label of set.labels ?? []) counts[label]!.images++;
  const [channels = 0, height = 0, width = 0] = set.inputShape;
  return {
    images: set.length,
    classes: counts,
    height: { least: height, median: height, most: height },
    width: { least: width, median: width, most: width },
    channels: [{ channels, images: set.length }],
    broken: [],
  };
}

function report(output: Session['output'], split: string | null, survey: Survey): void {
  const { images, classes, height, width, channels, broken } = survey;
  output.event('split', {
    split,
    ...survey,
    height: fields(height),
    width: fields(width),
    broken: broken.map((file) => ({ ...file })),
  });
  const where = split === null ? '' : `${split}: `;
  output.line(`${where}${images} images, ${classes.length} classes`);
  const rows = classes.map(({ name, images: count }) => [short(name), String(count)]);
  for (const line of aligned([['class', 'images'], ...rows])) output.line(`  ${line}`);
  if (height !== undefined && width !== undefined) {
    const sizes = [row('height', height), row('width', width)];
    for (const line of aligned([['pixels', 'least', 'median', 'most'], ...sizes])) output.line(`  ${line}`);
  }
  const kinds = channels.map((kind) => `${kind.channels} (${kind.images} images)`);
  if (kinds.length > 0) output.line(`  channels: ${kinds.join(', ')}`);
  if (broken.length > 0) output.line(`  broken: ${broken.length}`);
  for (const { file, reason } of broken.slice(0, SHOWN)) output.line(`    ${clip(file)}: ${oneLine(reason)}`);
  if (broken.length > SHOWN) output.line(`    and ${broken.length - SHOWN} more`);
  output.line();
}

/** What a group of copies means, the most telling first. */
const MEANINGS: readonly (readonly [string, (copies: Copies) => boolean])[] = [
  ['of several classes: one is probably labelled wrongly', ({ classes }) => classes.length > 1],
  ['of several splits: a test on one has seen the other', ({ splits }) => splits.length > 1],
  ['of one class', () => true],
];

function reportCopies(output: Session['output'], title: string, groups: readonly Copies[]): void {
  if (groups.length === 0) return;
  output.line(`${title}: ${groups.length} ${groups.length === 1 ? 'group' : 'groups'} of files`);
  let left = groups;
  for (const [meaning, holds] of MEANINGS) {
    const some = left.filter(holds);
    left = left.filter((copies) => !holds(copies));
    if (some.length === 0) continue;
    output.line(`  ${meaning}: ${some.length}`);
    for (const { files } of some.slice(0, SHOWN)) output.line(`    ${namesIn(files)}`);
    if (some.length > SHOWN) output.line(`    and ${some.length - SHOWN} more`);
  }
}

function namesIn(files: readonly string[]): string {
  const names = files.slice(0, NAMED).map((file) => clip(file));
  return files.length > NAMED ? `${names.join(' = ')} and ${files.length - NAMED} more` : names.join(' = ');
}

function row(name: string, { least, median, most }: Spread): string[] {
  return [name, String(least), String(median), String(most)];
}

function fields(spread: Spread | undefined) {
  return spread === undefined ? null : { ...spread };
}
