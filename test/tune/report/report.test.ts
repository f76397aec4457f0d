/** Reports and what they are told, without a browser. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  appendFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tune } from '../../../lib';
import { Feed } from '../../../lib/tune/report/feed';
import { openSource } from '../../../lib/tune/report/source';
import { journalOf, type RawTrial } from './studies';

const space = { x: tune.uniform(0, 1) };
const objective = ({ x }: { x: number }): number => x;

describe('tune.report', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  const file = (): string => at('report.html');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenon-report-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** What the page knows of its study. */
  function dataIn(html: string): { update: ReturnType<typeof JSON.parse> } {
    const [, json = ''] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html) ?? [];
    return JSON.parse(json) as { update: unknown };
  }

  it('reads a study while others work on it, and writes nothing into it', async () => {
    const study = await tune.study(at('study'), { space, strategy: tune.random() });
    const seen: number[] = [];
    for await (const { number } of study.run(objective, { trials: 6 })) {
      const log = readFileSync(at('study/study.log'));
      const before = readdirSync(at('study')).sort();
      const reports = await Promise.all(
        [1, 2].map((i) => tune.report(at('study'), { file: at(`${i}.html`) })),
      );
      expect(reports.map(({ trials }) => trials)).toEqual([number + 1, number + 1]);
      seen.push(dataIn(readFileSync(at('1.html'), 'utf8')).update.rows.length);
      expect(readFileSync(at('study/study.log'))).toEqual(log);
      expect(readdirSync(at('study')).sort()).toEqual(before);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
    await study.close();
  });

  it('takes an open study, a folder, a journal and a home', async () => {
    const study = await tune.study(at('study'), { space });
    for await (const _ of study.run(objective, { trials: 3 }));
    for (const shown of [study, at('study'), at('study/study.log'), tune.journal(at('study/study.log'))]) {
      const written = await tune.report(shown, { file: file() });
      expect(written).toEqual({ file: file(), trials: 3 });
      const { head, rows } = dataIn(readFileSync(file(), 'utf8')).update;
      expect(head).toMatchObject({ name: 'study', trials: 3, best: [study.best?.number] });
      expect(head.axes).toEqual([{ name: 'x', low: 0, high: 1, log: false, whole: false, when: '' }]);
      expect(rows.map(({ places }: { places: number[] }) => places[0])).toEqual(
        study.trials.map(({ params }) => params.x),
      );
      expect(JSON.parse(head.strategy).name).toBe('tpe');
    }
    await study.close();
  });

  it('forbids its page every network', async () => {
    writeFileSync(at('raw.log'), journalOf([]));
    await tune.report(at('raw.log'), { file: file() });
    const [, policy] = /Content-Security-Policy" content="([^"]*)"/.exec(readFileSync(file(), 'utf8')) ?? [];
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'sha256-\S+' 'sha256-\S+'; style-src 'unsafe-inline'/,
    );
    expect(policy).not.toMatch(/connect-src|https?:/);
  });

  it.each<[string, (path: (name: string) => string) => string, object, RegExp]>([
    ['a folder that is missing', (path) => path('none'), {}, /study .*none does not exist/],
    ['a folder without a study', (path) => path(''), {}, /study .*study\.log does not exist/],
    ['an empty journal', (path) => path('empty.log'), {}, /tune\.report: .*empty\.log has no study yet/],
    [
      'a journal of several',
      (path) => path('two.log'),
      {},
      /holds several studies; name must be one of a, b/,
    ],
    ['a name that is missing', (path) => path('two.log'), { name: 'c' }, /two\.log has no study c/],
    ['a damaged journal', (path) => path('bad.log'), {}, /bad\.log, line 1 is not JSON/],
    ['an unknown option', (path) => path('two.log'), { out: 'x' }, /out/],
    [
      'a file that cannot be written',
      (path) => path('two.log'),
      { name: 'a', file: '/no/such/x.html' },
      /x\.html/,
    ],
  ])('refuses %s', async (_, place, options, message) => {
    writeFileSync(at('empty.log'), '');
    writeFileSync(at('two.log'), journalOf([], { name: 'a' }) + journalOf([], { name: 'b' }));
    writeFileSync(at('bad.log'), 'what?\n');
    const before = readdirSync(folder).sort();
    await expect(tune.report(place(at), { file: file(), ...options })).rejects.toThrow(message);
    expect(readdirSync(folder).sort()).toEqual(before);
  });

  it('says how to install ECharts where it is missing', async () => {
    writeFileSync(at('raw.log'), journalOf([]));
    jest.resetModules();
    jest.doMock('node:module', () => ({
      createRequire: () => ({
        resolve: () => {
          throw new Error("Cannot find module 'echarts'");
        },
      }),
    }));
    try {
      const other = jest.requireActual<Pick<typeof tune, 'report'>>('../../../lib/tune/report/report');
      const failed = other.report(at('raw.log'), { file: file() });
      await expect(failed).rejects.toThrow(
        /need the package "echarts".*: run npm install echarts \(Cannot find/,
      );
      await expect(failed).rejects.toMatchObject({ name: 'TenonError' });
      expect(readdirSync(folder)).toEqual(['raw.log']);
    } finally {
      jest.dontMock('node:module');
      jest.resetModules();
    }
  });

  it('refuses what is not a file in the place of the journal', async () => {
    mkdirSync(at('study.log'));
    await expect(tune.report(folder)).rejects.toThrow(/study\.log is not a regular file/);
  });
});

describe('what a page is told', () => {
  let folder: string;
  const log = (): string => join(folder, 'study.log');
  const x = { name: 'FloatDistribution', attributes: { low: 0, high: 1, log: false, step: null } };
  const trial = (value: number): RawTrial => ({
    params: { x: value },
    distributions: { x },
    values: [value],
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenon-feed-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function feedOf(trials: readonly RawTrial[]): Promise<Feed> {
    writeFileSync(log(), journalOf(trials));
    const feed = new Feed(await openSource('test', folder));
    await feed.refresh();
    return feed;
  }

  const numbers = (rows: readonly { readonly number: number }[]): number[] =>
    rows.map(({ number }) => number);

  it('is everything at first, then what has changed', async () => {
    const feed = await feedOf([trial(0.5), trial(0.25), { state: 0 }]);
    const first = feed.since(undefined);
    expect(first).toMatchObject({ fresh: true, head: { trials: 3, best: [1] } });
    expect(numbers(first.rows)).toEqual([0, 1, 2]);
    await feed.refresh();
    expect(feed.since(first.token)).toEqual({ token: first.token, fresh: false, rows: [] });
    const worker_id = 'w';
    appendFileSync(
      log(),
      `${JSON.stringify({ op_code: 7, worker_id, trial_id: 2, step: 1, intermediate_value: 3 })}\n`,
    );
    await feed.refresh();
    const second = feed.since(first.token);
    expect(second.rows).toMatchObject([{ number: 2, curve: [1, 3], reports: 1 }]);
    expect(second.fresh).toBe(false);
    // Another page has missed nothing.
    expect(numbers(feed.since(undefined).rows)).toEqual([0, 1, 2]);
    expect(feed.since('made:1')).toMatchObject({ fresh: true });
  });

  it('begins anew where the log is replaced, cut off or written anew', async () => {
    const feed = await feedOf([trial(0.5), trial(0.25)]);
    const { token } = feed.since(undefined);
    rmSync(log());
    await expect(feed.refresh()).rejects.toThrow(/does not exist/);
    // What was there is still shown.
    expect(numbers(feed.since(undefined).rows)).toEqual([0, 1]);
    writeFileSync(log(), journalOf([trial(0.1), trial(0.2), trial(0.3)], { name: 'other', worker: 'v' }));
    await feed.refresh();
    const after = feed.since(token);
    expect(after).toMatchObject({ fresh: true, head: { name: 'other', trials: 3, best: [0] } });
    writeFileSync(log(), journalOf([trial(0.4)], { name: 'other', worker: 'v' }));
    await feed.refresh().catch(() => feed.refresh());
    expect(feed.since(after.token)).toMatchObject({ fresh: true, head: { trials: 1 } });
    expect(numbers(feed.since(after.token).rows)).toEqual([0]);
  });

  it('has the best of many trials, and some of the others', async () => {
    const best = 7003;
    const feed = await feedOf(Array.from({ length: 12_000 }, (_, i) => trial(i === best ? 0 : 0.5)));
    const { rows, head, token } = feed.since(undefined);
    expect(head).toMatchObject({ trials: 12_000, best: [best], states: { complete: 12_000 } });
    expect(rows.length).toBeLessThanOrEqual(5001);
    expect(numbers(rows)).toContain(best);
    appendFileSync(
      log(),
      journalOf([trial(0.5)])
        .split('\n')[1]!
        .concat('\n'),
    );
    await feed.refresh();
    expect(numbers(feed.since(token).rows)).toEqual([12_000]);
  });

  it('writes numbers that JSON lacks by their names, and thins long curves', async () => {
    const reports = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [i, i === 0 ? NaN : i]));
    const feed = await feedOf([{ ...trial(0.5), values: [Infinity], reports }]);
    const [row] = feed.since(undefined).rows;
    expect(row).toMatchObject({ values: ['Infinity'], reports: 5000 });
    expect(row!.curve).toHaveLength(400);
    expect(row!.curve.slice(0, 2)).toEqual([0, 'NaN']);
    expect(row!.curve.slice(-2)).toEqual([4999, 4999]);
  });
});
