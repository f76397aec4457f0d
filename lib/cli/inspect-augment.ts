/** `tenon inspect --augment`: a contact sheet of what augmentations make of some images of a data set. */
import { apply, type Augmentation, type Pixels } from '../augment';
import type { Dataset } from '../data';
import { OptionError } from '../errors';
import { show } from '../options';
import { writeFileAtomic } from '../files/atomic-file';
import { kind, nonEmptyString, nonNegativeInteger, type ValuesOf } from '../settings';
import {
  augmentationFor,
  augmentationList,
  parseAugmentations,
  typicalCalls,
  withPolicyFiles,
} from './augmentations';
import { drawSheet, type SheetRow } from './contact-sheet';
import type { KnownData, MayConflict } from './data-flags';
import { flag } from './flags';
import { MIXING_FLAGS, mixingFor } from './mixing-flags';
import type { Session } from './session';

/** Stands for every augmentation, each in a row of its own. */
const ALL = 'all';
const isAll = (list: unknown): boolean => Array.isArray(list) && list.length === 1 && list[0] === ALL;

const { check, domain } = augmentationList('');
const listOrAll = kind<readonly string[]>({
  check: (where, name, value) => (isAll(value) ? [ALL] : check(where, name, value)),
  domain,
});
/** Most draws, and most images, of a sheet. */
const MOST = 64;
const few = kind<number>({
  check: (where, name, value) => {
    if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST)
      return value as number;
    throw new OptionError(`${where}: ${name} must be a whole number from 1 to ${MOST}, got ${show(value)}`);
  },
  domain: { type: 'integer', minimum: 1, maximum: MOST },
});

/** Refuses an option that only a contact sheet has. */
const ofSheets: MayConflict<KnownData & { readonly augment?: unknown }>['conflict'] = (
  given,
  { augment },
  spelling,
) => (given === undefined || augment !== undefined ? undefined : `${spelling} belongs to --augment`);

export const SHEET_FLAGS = {
  augment: flag(
    'list',
    listOrAll(
      'write a contact sheet of what augmentations make of images: crop,rotate(15),..., or all for each by itself',
      { optional: true },
    ),
    { alone: ALL, parse: parseAugmentations },
  ),
  out: flag('file', nonEmptyString('--augment: the PNG to write', { optional: true }), {
    note: 'contact-sheet.png',
    conflict: ofSheets,
  }),
  count: flag('n', few('--augment: how many images', { optional: true }), {
    note: '8, or 1 for all',
    conflict: ofSheets,
  }),
  draws: flag('n', few('--augment: how often each is augmented, in as many epochs', { optional: true }), {
    note: '8',
    conflict: ofSheets,
  }),
  mixup: { ...MIXING_FLAGS.mixup, conflict: ofSheets },
  cutmix: { ...MIXING_FLAGS.cutmix, conflict: ofSheets },
  seed: flag('n', nonNegativeInteger('--augment: seed of the draws', { optional: true }), {
    note: '0',
    conflict: ofSheets,
  }),
};

type SheetFlags = ValuesOf<typeof SHEET_FLAGS>;

/** Some images of one size, [n, height, width, channels], and where they stand in their set. */
interface Batch {
  readonly images: Pixels;
  readonly samples: readonly number[];
  /** How many of them, the first ones, have a row. */
  readonly shown: number;
}

/** What a row shows, and the text above it. */
interface Shown {
  readonly label: string;
  readonly make: () => readonly Augmentation[];
}

/**
 * Writes the sheet.
 * @throws OptionError where an augmentation does not suit the images; DataError; IoError
 */
export async function writeSheet(session: Session, set: Dataset, flags: SheetFlags): Promise<void> {
  const { augment = [ALL], out = 'contact-sheet.png', draws = 8, seed = 0 } = await withPolicyFiles(flags);
  const all = isAll(augment);
  const batch = await someImages(set, flags.count ?? (all ? 1 : 8));
  const rows: SheetRow[] = [];
  const leftOut: { augmentation: string; reason: string }[] = [];
  for (const shown of all ? eachAlone(set, flags) : [together(augment, set, flags)]) {
    if (session.signal.aborted) return;
    try {
      rows.push(...(await rowsOf(shown, batch, draws, seed)));
    } catch (error) {
      // Not every augmentation is for every image: there are no colours to change in a grey one.
      if (!all || !(error instanceof OptionError)) throw error;
      leftOut.push({ augmentation: shown.label, reason: error.message });
    }
  }
  const { png, width, height } = await drawSheet(rows);
  await writeFileAtomic(out, [png]);
  const labels = rows.map(({ label }) => label);
  session.output.event('sheet', { file: out, width, height, rows: labels, leftOut });
  for (const { augmentation, reason } of leftOut)
    session.output.line(`left out: ${augmentation} (${reason})`);
  session.output.line(`wrote ${out}: ${rows.length} rows, each the original and ${draws} draws`);
}

/** A row for each augmentation, and for each way of mixing. */
function eachAlone(set: Dataset, { mixup, cutmix }: SheetFlags): Shown[] {
  const mixing = [
    { mixup: mixup ?? 1, cutmix: null },
    { mixup: null, cutmix: cutmix ?? 1 },
  ];
  return [
    ...typicalCalls(set.inputShape).map((label) => ({ label, make: () => [augmentationFor(label, set)] })),
    ...mixing.map((flags) => ({ label: spelledMixing(flags).join(), make: () => mixingFor(flags) })),
  ];
}

/** The list as a whole, as training would have it. */
function together(list: readonly string[], set: Dataset, flags: SheetFlags): Shown {
  const label = [list.join(', '), ...spelledMixing(flags)].filter((part) => part !== '').join(' ') || 'none';
  const make = () => [...list.map((text) => augmentationFor(text, set)), ...mixingFor(flags)];
  return { label, make };
}

function spelledMixing({ mixup, cutmix }: Pick<SheetFlags, 'mixup' | 'cutmix'>): string[] {
  return [
    ...(mixup === null ? [] : [`--mixup ${mixup}`]),
    ...(cutmix === null ? [] : [`--cutmix ${cutmix}`]),
  ];
}

/**
 * Images from all over the set, as sets are often sorted by class. One alone comes with another, which those
 * that mix the images of a batch need.
 */
async function someImages(set: Dataset, wanted: number): Promise<Batch> {
  const shown = Math.min(wanted, set.length);
  const many = Math.min(Math.max(shown, 2), set.length);
  const samples = Array.from({ length: many }, (_, i) => Math.floor((i * set.length) / many));
  const images = [];
  for (const sample of samples) images.push(await set.image(sample));
  const shape = [many, ...images[0]!.shape];
  return { images: { pixels: Buffer.concat(images.map(({ pixels }) => pixels)), shape }, samples, shown };
}

/** A row for each image: itself, then what the list makes of it in as many epochs. */
async function rowsOf(
  { label, make }: Shown,
  { images, samples, shown }: Batch,
  draws: number,
  seed: number,
): Promise<SheetRow[]> {
  const list = make();
  const columns = [images];
  for (let epoch = 0; epoch < draws; epoch++)
    columns.push(await apply(list, images, { seed, epoch, samples }));
  return samples.slice(0, shown).map((sample, i) => ({
    label: shown === 1 ? label : `${label}: image ${sample}`,
    pictures: columns.map((column) => pictureOf(column, i)),
  }));
}

/** One of several images. */
function pictureOf({ pixels, shape: [, height = 1, width = 1, channels = 1] }: Pixels, i: number): Pixels {
  const bytes = height * width * channels;
  return { pixels: pixels.subarray(i * bytes, (i + 1) * bytes), shape: [height, width, channels] };
}
