/** Where the studies of the command line are: a folder with a journal in it, or a database. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, OptionError } from '../errors';
import { pathKind } from '../files/read';
import { clip } from '../options';
import type { Space } from '../tune/space/parameters';
import { study, type StudyOptions } from '../tune/study/open';
import type { Home } from '../tune/study/home';
import { postgres } from '../tune/study/postgres';
import type { Study } from '../tune/study/study';

/** Whether a text names a database rather than a folder. */
function isDatabase(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place);
}

/** The log that `postgres://host/database#log` names; undefined for a folder. @throws OptionError */
export function databaseOf(place: string): Home | undefined {
  if (!isDatabase(place)) return undefined;
  const url = urlOf(place);
  const name = decodeURIComponent(url.hash.slice(1));
  url.hash = '';
  return postgres({ connectionString: url.href, ...(name !== '' && { name }) });
}

/** Whether a folder has the journal of a study. An empty one is left by a study that could not begin. */
export async function holdsStudy(folder: string): Promise<boolean> {
  const log = join(folder, 'study.log');
  return (await pathKind(log)) === 'file' && (await stat(log)).size > 0;
}

/**
 * Opens a study of a folder, or of the log that `postgres://host/database#log` names, and makes it where
 * there is none. @throws as `tune.study`
 */
export async function openStudy(place: string, options: StudyOptions<Space>): Promise<Study> {
  const home = databaseOf(place);
  if (home === undefined) return study<Space>(place, options);
  try {
    return await study<Space>(home, options);
  } catch (error) {
    await home.close();
    throw error;
  }
}

/** Opens a study as its record has it. @throws DataError where there is none; as `tune.study` */
export async function openRecorded(place: string, options: StudyOptions<Space> = {}): Promise<Study> {
  if (!isDatabase(place) && !(await holdsStudy(place)))
    throw new DataError(`${clip(place)} holds no study (there is no study.log)`);
  return openStudy(place, options);
}

/** The place as files may keep it: without a password. */
export function withoutPassword(place: string): string {
  if (!isDatabase(place)) return place;
  const url = urlOf(place);
  url.password = '';
  return url.href;
}

function urlOf(place: string): URL {
  try {
    return new URL(place);
  } catch (cause) {
    // The text may hold a password.
    throw new OptionError('a database is written postgres://user@host:port/database#log', { cause });
  }
}
