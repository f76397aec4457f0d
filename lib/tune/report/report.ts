/** A study as a page in a file. */
import { resolve } from 'node:path';
import { writeFileAtomic } from '../../files/atomic-file';
import { checkKeys, nonEmptyString } from '../../options';
import { Feed } from './feed';
import { pageOf } from './html';
import { openSource, type Shown } from './source';

export interface ReportOptions {
  /** The HTML file to write. Default: `report.html` in the folder of the process. */
  readonly file?: string;
  /** The study's name, where the log holds several. */
  readonly name?: string;
}

/** What was written. */
export interface WrittenReport {
  readonly file: string;
  readonly trials: number;
}

const WHERE = 'tune.report';

/**
 * Writes a study as one HTML file that needs no network: the history with the best so far, trials over each
 * parameter, parallel coordinates, importance, reports, the front of several objectives, all trials in a
 * table, and the setup. The study is only read, also while others work on it.
 *
 * From a study of more than 5,000 trials, the page has the best and others evenly out of the rest,
 * and says so.
 * @param study an open study, its folder, its journal, or another home
 * @throws OptionError; DataError where there is no study; FormatError; IoError; TenonError where ECharts is
 *   not installed
 */
export async function report(study: Shown, options: ReportOptions = {}): Promise<WrittenReport> {
  checkKeys(WHERE, options, ['file', 'name']);
  const file = resolve(nonEmptyString(WHERE, 'file', options.file ?? 'report.html'));
  const source = await openSource(WHERE, study, options.name);
  try {
    const feed = new Feed(source);
    await feed.refresh();
    const title = `${source.name} - tenon study`;
    const { html } = pageOf({ title, update: feed.since(undefined), poll: 0 });
    await writeFileAtomic(file, [Buffer.from(html)]);
    return { file, trials: source.trials.length };
  } finally {
    await source.close();
  }
}
