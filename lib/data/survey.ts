/** What an image folder holds: classes, sizes, and which files are broken, the same, or look the same. */
import { createHash } from 'node:crypto';
import { AbortedError, FormatError, IoError } from '../errors';
import type { Limits } from '../files/limits';
import { readRegular } from '../files/read';
import { clip } from '../options';
import { examine, type Examined } from './decode';
import { findImages, type FoundImage } from './folder-scan';
import { lookAlikes } from './look-alikes';

/** Images that are looked at between two reports, and at once. */
const AT_ONCE = 64;

/** Least, median and most. The median of an even number of values is the lower of the two in the middle. */
export interface Spread {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

/** A file that is not a readable image. */
export interface BrokenFile {
  readonly file: string;
  readonly reason: string;
}

/** What a split of an image folder holds. */
export interface Survey {
  /** Files of images, broken ones included. */
  readonly images: number;
  /** Files in each class folder, in the order of the classes. */
  readonly classes: readonly { readonly name: string; readonly images: number }[];
  /** Sizes of the readable images, after their EXIF orientation; undefined where there is none. */
  readonly height: Spread | undefined;
  readonly width: Spread | undefined;
  /** How many readable images have so many values per pixel. */
  readonly channels: readonly { readonly channels: number; readonly images: number }[];
  readonly broken: readonly BrokenFile[];
}

export interface SurveyOptions {
  /** As `data.folder` takes it. */
  readonly dir: string;
  readonly split?: string;
  readonly limits: Limits;
  readonly signal?: AbortSignal;
  readonly onProgress?: (images: number, of: number) => void;
}

/** Files that are copies of each other, or look the same. */
export interface Copies {
  readonly files: readonly string[];
  /** Names of their classes and of their splits, each once. */
  readonly classes: readonly string[];
  readonly splits: readonly string[];
}

interface SurveyedFile {
  readonly file: string;
  readonly className: string;
  readonly split: string | undefined;
  readonly digest: string;
}

/**
 * Files with the same bytes, and images that look the same. Shared by surveys, it finds those
 * of several splits.
 */
export class Duplicates {
  private readonly byDigest = new Map<string, SurveyedFile[]>();
  private readonly images: SurveyedFile[] = [];
  private readonly thumbnails: Uint8Array[] = [];

  /** `thumbnail` as `examine` makes it; absent for a file that is broken. */
  add(file: Omit<SurveyedFile, 'digest'>, bytes: Uint8Array, thumbnail?: Uint8Array): void {
    const digest = createHash('sha256').update(bytes).digest('base64');
    const surveyed = { ...file, digest };
    const known = this.byDigest.get(digest);
    if (known === undefined) this.byDigest.set(digest, [surveyed]);
    else known.push(surveyed);
    if (thumbnail === undefined) return;
    this.images.push(surveyed);
    this.thumbnails.push(thumbnail);
  }

  sameBytes(): readonly Copies[] {
    return [...this.byDigest.values()].filter((files) => files.length > 1).map(copies);
  }

  /** Groups of images that look the same and are not all the same bytes. */
  async near(): Promise<readonly Copies[]> {
    const groups = await lookAlikes(this.thumbnails);
    return groups
      .map((group) => group.map((at) => this.images[at]!))
      .filter(([first, ...others]) => others.some(({ digest }) => digest !== first!.digest))
      .map(copies);
  }
}

function copies(files: readonly SurveyedFile[]): Copies {
  return {
    files: files.map(({ file }) => file),
    classes: [...new Set(files.map(({ className }) => className))],
    splits: [...new Set(files.flatMap(({ split }) => split ?? []))],
  };
}

interface Seen {
  readonly heights: number[];
  readonly widths: number[];
  readonly channels: Map<number, number>;
  readonly broken: BrokenFile[];
}

/**
 * Reads and decodes every image of a split, and keeps none.
 * @throws DataError, FormatError as `data.folder` for what is not an image folder; AbortedError
 */
export async function surveyFolder(options: SurveyOptions, duplicates: Duplicates): Promise<Survey> {
  const { dir, split, limits, signal, onProgress } = options;
  const { images, classNames } = await findImages(dir, split, limits);
  const seen: Seen = { heights: [], widths: [], channels: new Map(), broken: [] };
  for (let begin = 0; begin < images.length; begin += AT_ONCE) {
    if (signal?.aborted === true) throw new AbortedError('inspect: aborted', { cause: signal.reason });
    const some = images.slice(begin, begin + AT_ONCE);
    const looks = await Promise.allSettled(some.map((image) => look(image, limits)));
    looks.forEach((result, i) => {
      const { name: file, className } = some[i]!;
      note({ file, className, split }, result, seen, duplicates);
    });
    onProgress?.(Math.min(images.length, begin + AT_ONCE), images.length);
  }
  const counts = new Map(classNames.map((name) => [name, 0]));
  for (const { className } of images) counts.set(className, (counts.get(className) ?? 0) + 1);
  return {
    images: images.length,
    classes: [...counts].map(([name, count]) => ({ name, images: count })),
    height: spreadOf(seen.heights),
    width: spreadOf(seen.widths),
    channels: [...seen.channels]
      .sort(([a], [b]) => a - b)
      .map(([channels, count]) => ({ channels, images: count })),
    broken: seen.broken,
  };
}

interface Look {
  readonly bytes: Uint8Array;
  /** What is wrong, where the bytes are not a readable image. */
  readonly found: Examined | FormatError;
}

async function look({ name, bytes: inArchive }: FoundImage, limits: Limits): Promise<Look> {
  const bytes = inArchive ?? (await readRegular(name));
  const found = await examine(bytes, name, limits).catch((error: unknown) => {
    if (error instanceof FormatError) return error;
    throw error;
  });
  return { bytes, found };
}

/** In the order of the files, whatever the order in which they were read. */
function note(
  from: Omit<SurveyedFile, 'digest'>,
  look: PromiseSettledResult<Look>,
  seen: Seen,
  duplicates: Duplicates,
): void {
  const { file } = from;
  if (look.status === 'rejected') {
    if (!(look.reason instanceof IoError)) throw look.reason;
    seen.broken.push({ file, reason: reasonOf(file, look.reason) });
    return;
  }
  const { bytes, found } = look.value;
  if (found instanceof FormatError) {
    duplicates.add(from, bytes);
    seen.broken.push({ file, reason: reasonOf(file, found) });
    return;
  }
  const { height, width, channels, thumbnail } = found;
  duplicates.add(from, bytes, thumbnail);
  seen.heights.push(height);
  seen.widths.push(width);
  seen.channels.set(channels, (seen.channels.get(channels) ?? 0) + 1);
}

/** The message without the file's name in front. */
function reasonOf(file: string, { message }: Error): string {
  const prefix = `${clip(file)}: `;
  return clip(message.startsWith(prefix) ? message.slice(prefix.length) : message);
}

function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  return { least: sorted[0]!, median: sorted[(sorted.length - 1) >> 1]!, most: sorted[sorted.length - 1]! };
}
