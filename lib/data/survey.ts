/** What an image folder holds: classes, sizes, and which files are broken or the same. */
import { createHash } from 'node:crypto';
import { AbortedError, FormatError, IoError } from '../errors';
import type { Limits } from '../files/limits';
import { readRegular } from '../files/read';
import { clip } from '../options';
import { examine } from './decode';
import { findImages, type FoundImage } from './folder-scan';

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

/** Files with the same bytes. Shared by surveys, it finds those of several splits. */
export class Duplicates {
  private readonly files = new Map<string, string[]>();

  add(file: string, bytes: Uint8Array): void {
    const key = createHash('sha256').update(bytes).digest('base64');
    const known = this.files.get(key);
    if (known === undefined) this.files.set(key, [file]);
    else known.push(file);
  }

  /** Names of the files, by group. */
  groups(): readonly (readonly string[])[] {
    return [...this.files.values()].filter((files) => files.length > 1);
  }
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
    looks.forEach((result, i) => note(some[i]!.name, result, seen, duplicates));
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
  readonly size: Awaited<ReturnType<typeof examine>> | FormatError;
}

async function look({ name, bytes: inArchive }: FoundImage, limits: Limits): Promise<Look> {
  const bytes = inArchive ?? (await readRegular(name));
  const size = await examine(bytes, name, limits).catch((error: unknown) => {
    if (error instanceof FormatError) return error;
    throw error;
  });
  return { bytes, size };
}

/** In the order of the files, whatever the order in which they were read. */
function note(file: string, look: PromiseSettledResult<Look>, seen: Seen, duplicates: Duplicates): void {
  if (look.status === 'rejected') {
    if (!(look.reason instanceof IoError)) throw look.reason;
    seen.broken.push({ file, reason: reasonOf(file, look.reason) });
    return;
  }
  const { bytes, size } = look.value;
  duplicates.add(file, bytes);
  if (size instanceof FormatError) {
    seen.broken.push({ file, reason: reasonOf(file, size) });
    return;
  }
  seen.heights.push(size.height);
  seen.widths.push(size.width);
  seen.channels.set(size.channels, (seen.channels.get(size.channels) ?? 0) + 1);
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
