/** Finding the images of an image folder: which directory or archive a split is in, and what it holds. */
import { opendir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DataError } from '../errors';
import { clip, clipList } from '../options';
import { DEFAULT_LIMITS, type Limits } from '../files/limits';
import { fileError } from '../files/errors';
import { pathKind } from '../files/read';
import { readTar } from '../files/tar';
import { byCodeUnit, sortInTurns } from './sort';

/** An image that was found, not yet decoded. */
export interface FoundImage {
  /** Its path, or `ARCHIVE:PATH` for one inside an archive. */
  readonly name: string;
  readonly className: string;
  /** The compressed image, where it came out of an archive. */
  readonly bytes?: Uint8Array;
}

/** What `findImages` found. */
export interface FoundImages {
  /** The directory or archive the split is in. */
  readonly place: string;
  /** Class folders, sorted; on disk also those without images, so that splits agree about numbers. */
  readonly classNames: readonly string[];
  /** All images, by class and then by name, sorted by code unit. */
  readonly images: readonly FoundImage[];
}

const IMAGE = /\.(png|jpe?g|webp)$/i;
/** How many names of a directory are read in one turn of the event loop. */
const READ_AHEAD = 1024;
const ARCHIVE = /\.(tar\.gz|tgz|tar)$/i;

/** Hidden files, which include the `._x.jpg` that macOS puts into archives, are never images. */
function isImage(name: string): boolean {
  return IMAGE.test(name) && !name.startsWith('.');
}

/**
 * Finds the images of a split (see `ReadFolderOptions.dir`).
 * @throws DataError if there is no such directory or split, or it has no class folders; FormatError for a
 *   corrupt archive
 */
export async function findImages(
  dir: string,
  split: string | undefined,
  limits: Limits = DEFAULT_LIMITS,
): Promise<FoundImages> {
  const kind = await pathKind(dir);
  if (kind === 'nothing') throw new DataError(`folder: directory ${clip(dir)} does not exist`);
  if (kind === 'file') return scanArchive(dir, split, limits);
  if (split === undefined) return scanDirectory(dir);
  const folder = join(dir, split);
  if ((await pathKind(folder)) === 'directory') return scanDirectory(folder);
  return scanArchive(await findArchive(dir, split), split, limits);
}

/**
 * Names in a directory, sorted by code unit so that the order is the same on every machine and
 * in every locale.
 */
async function list(dir: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of await opendir(dir, { bufferSize: READ_AHEAD })) names.push(name);
  } catch (error) {
    throw fileError('directory', dir, error);
  }
  return sortInTurns(names, byCodeUnit);
}

/**
 * Whether a file of this name is an archive of the split: SPLIT.tar.gz or NAME-SPLIT.tar.gz, also
 * .tgz and .tar.
 */
export function isArchiveOf(name: string, split: string): boolean {
  const stem = name.replace(ARCHIVE, '');
  return stem !== name && (stem === split || stem.endsWith(`-${split}`));
}

/** The archive of a split in `dir`. @throws DataError if there is none, or more than one */
async function findArchive(dir: string, split: string): Promise<string> {
  const names = await list(dir);
  const archives = names.filter((name) => isArchiveOf(name, split));
  const [archive] = archives;
  if (archive === undefined) {
    const holds = names.length === 0 ? 'it is empty' : `it holds ${clipList(names)}`;
    const plain =
      split === 'train' || names.includes('train') ? '' : '. Folders of classes alone are split train';
    throw new DataError(
      `folder: ${clip(dir)} has no split ${clip(split)}: no folder SPLIT and no archive SPLIT.tar.gz or NAME-SPLIT.tar.gz; ${holds}${plain}`,
    );
  }
  if (archives.length > 1)
    throw new DataError(
      `folder: ${clip(dir)} has several archives of split ${clip(split)}: ${clipList(archives)}`,
    );
  return join(dir, archive);
}

async function scanDirectory(dir: string): Promise<FoundImages> {
  const classNames: string[] = [];
  const images: FoundImage[] = [];
  for (const name of await list(dir)) {
    if (name.startsWith('.') || (await pathKind(join(dir, name))) !== 'directory') continue;
    classNames.push(name);
    const files = (await list(join(dir, name))).filter(isImage);
    for (const file of files) images.push({ name: join(dir, name, file), className: name });
  }
  if (classNames.length === 0) throw new DataError(`folder: ${clip(dir)} has no class folders`);
  if (images.length === 0)
    throw new DataError(`folder: no images (png, jpg, jpeg, webp) in the class folders of ${clip(dir)}`);
  return { place: dir, classNames, images };
}

interface ArchivedImage extends FoundImage {
  readonly path: string;
  /** The folder above the class folder, '' at the top. */
  readonly parent: string;
}

async function scanArchive(
  archive: string,
  split: string | undefined,
  { maxBytes, maxExpansion }: Limits,
): Promise<FoundImages> {
  const all: ArchivedImage[] = [];
  const filter = (path: string): boolean => classify(path) !== undefined;
  for await (const { path, bytes } of readTar(archive, { filter, maxBytes, maxExpansion })) {
    const place = classify(path);
    if (place !== undefined) all.push({ ...place, name: `${archive}:${path}`, path, bytes });
  }
  if (all.length === 0)
    throw new DataError(`folder: ${clip(archive)} holds no images (png, jpg, jpeg, webp) in class folders`);
  const images = await sortInTurns(await chooseSplit(archive, all, split), byPath);
  const classNames = new Set<string>();
  for (const { className } of images) classNames.add(className);
  return { place: archive, classNames: await sortInTurns([...classNames], byCodeUnit), images };
}

/**
 * Class folder and the folder above it, of an image's path; undefined for what is not an image in a folder.
 */
function classify(path: string): { className: string; parent: string } | undefined {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const file = parts.at(-1);
  const className = parts.at(-2);
  if (file === undefined || className === undefined || className === '..' || !isImage(file)) return undefined;
  return { className, parent: parts.at(-3) ?? '' };
}

/** The images of `split`: those in a folder of its name, or all of an archive that is named for it. */
async function chooseSplit(
  archive: string,
  all: readonly ArchivedImage[],
  split: string | undefined,
): Promise<readonly ArchivedImage[]> {
  const parents = new Set<string>();
  for (const { parent } of all) parents.add(parent);
  const inFolder = all.filter((image) => image.parent === split);
  if (inFolder.length > 0) return inFolder;
  const stem = basename(archive).replace(ARCHIVE, '');
  const named = split === undefined || stem === split || stem.endsWith(`-${split}`);
  if (named && parents.size === 1) return all;
  const what = named ? 'several folders of classes' : `no split ${clip(split ?? '')}`;
  const sorted = await sortInTurns([...parents], byCodeUnit);
  const holds = clipList(sorted.map((parent) => parent || 'classes at its top'));
  throw new DataError(`folder: ${clip(archive)} has ${what}: it holds ${holds}`);
}

function byPath(a: ArchivedImage, b: ArchivedImage): number {
  return byCodeUnit(a.className, b.className) || byCodeUnit(a.path, b.path);
}
