/** What `tenon tune report` and `tenon tune dashboard` show. */
import { Argument } from 'commander';
import { nonEmptyString } from '../settings';
import type { Shown } from '../tune/report/source';
import { flag } from './flags';
import { databaseOf } from './recorded-study';

export const STUDY = new Argument(
  '<study>',
  'the folder of a study, its journal (also one of Optuna), or a database: postgres://HOST/DATABASE#LOG',
);

export const NAME = flag('name', nonEmptyString("the study's name", { optional: true }), {
  note: 'the only one of the log',
});

/** Calls `body` with the study of an argument. */
export async function withShown<T>(study: string, body: (shown: Shown) => Promise<T>): Promise<T> {
  const home = databaseOf(study);
  if (home === undefined) return body(study);
  try {
    return await body(home);
  } finally {
    await home.close();
  }
}
