/** Studies that are there, for commands that read them. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors';
import { pathKind } from '../files/read';
import { clip } from '../options';
import { study } from '../tune/study/open';
import type { Study } from '../tune/study/study';

/** Whether a folder has the journal of a study. An empty one is left by a study that could not begin. */
export async function holdsStudy(folder: string): Promise<boolean> {
  const log = join(folder, 'study.log');
  return (await pathKind(log)) === 'file' && (await stat(log)).size > 0;
}

/**
 * Opens the study of a folder as its record has it.
 * @throws DataError where there is none; as `tune.study`
 */
export async function openRecorded(folder: string, name?: string): Promise<Study> {
  if (!(await holdsStudy(folder)))
    throw new DataError(`${clip(folder)} holds no study (there is no study.log)`);
  return study(folder, name === undefined ? {} : { name });
}
