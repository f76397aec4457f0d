/** Which data set `--data` holds, where `--dataset` does not say. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors';
import { fileError } from '../files/errors';
import { pathKind } from '../files/read';
import { clip, clipList } from '../options';
import { DATASETS, type DatasetName } from './datasets';
import { splitsOf } from './folder-splits';
import { namesOf } from './names';

interface DataChoice {
  readonly dataset?: DatasetName;
  readonly data?: string | null;
}

/** The options with the data set that `--data` holds. @throws DataError where it holds none */
export async function withDataset<T extends DataChoice>(given: T): Promise<T> {
  if (given.dataset !== undefined || given.data == null) return given;
  return { ...given, dataset: await recognize(given.data) };
}

/** @throws DataError that says what was looked for */
async function recognize(path: string): Promise<DatasetName> {
  const kind = await pathKind(path);
  if (kind === 'nothing') throw new DataError(`--data: ${clip(path)} does not exist`);
  if (kind !== 'directory') return 'folder'; // an archive of one
  for (const name of namesOf(DATASETS))
    for (const mark of DATASETS[name].marks) if ((await pathKind(join(path, mark))) === 'file') return name;
  const [split] = await splitsOf(path);
  if (split !== undefined || (await holdsFolders(path))) return 'folder';
  const looked = namesOf(DATASETS).filter((name) => DATASETS[name].marks.length > 0);
  const files = looked.map((name) => `${clipList(DATASETS[name].marks.slice(0, 2), ' or ')} (${name})`);
  throw new DataError(
    `--data: ${clip(path)} holds no data set that tenon knows; looked for folders of classes, also in train/ or train.tar.gz (folder), ${files.join(', ')}. --dataset says which it is`,
  );
}

async function holdsFolders(path: string): Promise<boolean> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    throw fileError('directory', path, error);
  });
  return entries.some((entry) => !entry.name.startsWith('.') && !entry.isFile());
}
