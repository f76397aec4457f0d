/** Reports in a real browser. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { tune } from '../../../lib';
import type { Study } from '../../../lib/tune/study/study';
import { Browser, findChromium, type Window } from './browser';
import { atFixedTimes, journalOf, studyOfTwo, typicalStudy, type RawTrial } from './studies';
import { writePicture } from './picture';

const chromium = findChromium();
if (chromium === undefined)
  console.warn('skipped: no browser opens the pages, because chromium is not installed');
const inBrowser = chromium === undefined ? describe.skip : describe;

jest.setTimeout(180_000);

inBrowser('a report in Chromium', () => {
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tenon-report-'));
    browser = await Browser.start(chromium ?? '');
  });

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Writes a report and opens it in a window that is high enough to show all of it. */
  async function open(study: Study | string, window?: Window): Promise<void> {
    const { file } = await tune.report(study, { file: join(folder, 'report.html') });
    await browser.open(pathToFileURL(file).href, window);
    await browser.until(`document.querySelector('#trials tbody')`);
    await settled();
  }

  /** Observers of what is in sight have had their turn. */
  async function settled(): Promise<void> {
    for (let i = 0; i < 3; i++)
      await browser.evaluate('new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))');
  }

  function count(selector: string): Promise<number> {
    return browser.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  }

  function text(selector: string): Promise<string> {
    return browser.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`);
  }

  /** Round marks of a chart: its points. */
  const points = (chart: string): Promise<number> => count(`${chart} svg path[d^="M1 0A1 1 0"]`);
  const lines = (chart: string, width: number): Promise<number> =>
    count(`${chart} svg path[fill="none"][stroke-width="${width}"]`);

  function expectQuiet(): void {
    expect(browser.problems).toEqual([]);
    expect(browser.requests).toEqual([]);
  }

  async function journal(trials: readonly RawTrial[], more: object = {}): Promise<string> {
    const path = join(folder, 'raw.log');
    writeFileSync(path, journalOf(trials, more));
    return path;
  }

  it('has a mark for each trial', async () => {
    const study = await atFixedTimes(() => typicalStudy(join(folder, 'typical'), 60));
    const drawn = study.trials.filter(({ value }) => value !== undefined && Number.isFinite(value));
    const complete = study.trials.filter(({ state }) => state === 'complete');
    expect(complete.length).toBeGreaterThan(20);
    expect(drawn.length).toBeGreaterThan(complete.length);
    await open(study);
    expect(await points('#history-card')).toBe(drawn.length);
    const axes = ['lr', 'weightDecay', 'layers', 'act', 'optimizer', 'optimizer.sgd.momentum'];
    expect(await count('#scatters .chart')).toBe(axes.length);
    for (const name of axes) {
      const having = drawn.filter(({ point }) => name in point).length;
      expect(having).toBeGreaterThan(5);
      expect(await points(`[aria-label="the value over ${name}"]`)).toBe(having);
    }
    const rest = drawn.length - 1;
    expect([await lines('#parallel-card', 1.1), await lines('#parallel-card', 2.5)]).toEqual([rest, 1]);
    const reporting = study.trials.filter(({ reports }) => reports.length > 0).length;
    expect([await lines('#curves-card', 1.2), await lines('#curves-card', 2.5)]).toEqual([reporting - 1, 1]);
    const labels = await browser.evaluate<string[]>(
      `[...document.querySelectorAll('#importance-card text')].map((one) => one.textContent)`,
    );
    for (const name of tune.importance(study).keys()) expect(labels).toContain(name);
    expect(await browser.evaluate('document.getElementById("front-card").hidden')).toBe(true);
    expect(await text('#history-card .note')).toBe(
      `${study.trials.length - drawn.length} trial without a finite value: not drawn.`,
    );
    expectQuiet();
    await writePicture('report', browser, { width: 1200, height: 2130 }, settled);
  });

  it('has a table that is sorted by its columns and filtered by state', async () => {
    await open(join(folder, 'typical'));
    const study = await tune.study(join(folder, 'typical'));
    const first = (): Promise<string> => text('#trials tbody tr td');
    const click = (selector: string): Promise<void> =>
      browser.evaluate(`void document.querySelector(${JSON.stringify(selector)}).click()`);
    expect(await count('#trials tbody tr')).toBe(50);
    expect(await first()).toBe('59');
    await click('#later');
    expect(await count('#trials tbody tr')).toBe(10);
    const values = study.trials.flatMap(({ number, value }) =>
      value === undefined ? [] : [{ number, value }],
    );
    values.sort((a, b) => a.value - b.value);
    await click('#trials th:nth-child(3) button');
    expect(await first()).toBe(String(values[0]!.number));
    await click('#trials th:nth-child(3) button');
    expect(await first()).toBe(String(study.best?.number));
    expect(await text('#trials th:nth-child(3)')).toContain('↓');
    await browser.evaluate(`void (states.value = 'failed', states.dispatchEvent(new Event('change')))`);
    const failed = study.trials.filter(({ state }) => state === 'failed');
    expect(await count('#trials tbody tr')).toBe(failed.length);
    expect(await text('#trials tbody')).toContain('the loss is not finite: NaN in layer 2');
    expectQuiet();
  });

  it('shows the front of several objectives', async () => {
    const study = await atFixedTimes(() => studyOfTwo(join(folder, 'two'), 60));
    await open(study);
    expect(await points('#front-card')).toBe(60);
    const best = await browser.evaluate<string>(
      `getComputedStyle(document.documentElement).getPropertyValue('--best')`,
    );
    expect(await count(`#front-card svg path[d^="M1 0A1 1 0"][fill="${best.trim()}"]`)).toBe(
      study.front().length,
    );
    expect(await points('#history-card')).toBe(60);
    expect(await text('#history-card svg')).toContain('objective 1');
    await browser.evaluate(`void (objective.value = '1', objective.dispatchEvent(new Event('change')))`);
    await settled();
    expect(await text('#history-card svg')).toContain('objective 2');
    expectQuiet();
  });

  it('takes no text for markup', async () => {
    const attack = (i: number): string =>
      `</script><script>hacked=${i}</script><img src=x onerror="hacked=${i}">`;
    const domain = { name: 'CategoricalDistribution', attributes: { choices: [attack(1), '{{data}}'] } };
    const trials = Array.from({ length: 12 }, (_, i): RawTrial => ({
      params: { [attack(2)]: i % 2, __proto__x: 0 },
      distributions: { [attack(2)]: domain, __proto__x: domain },
      values: [i],
      notes: { 'tenon:error': attack(3), 'tenon:reason': attack(4) },
      attributes: { [attack(5)]: attack(6) },
      reports: { 1: i },
    }));
    await open(await journal(trials, { name: attack(7), space: undefined }));
    expect(await browser.evaluate('typeof hacked')).toBe('undefined');
    expect(await count('img')).toBe(0);
    expect(await count('script')).toBe(3);
    expect(await text('#name')).toBe(attack(7));
    expect(await text('#trials')).toContain(attack(2));
    expect(await text('#trials')).toContain(attack(1));
    expect(await text('#trials')).toContain(attack(4));
    expect(await points('#history-card')).toBe(12);
    // Tooltips are made of elements, too.
    await browser.hover('#history-card svg path[d^="M1 0A1 1 0"]');
    await browser.until(`document.querySelector('#history-card .tip')`);
    expect(await text('#history-card .tip')).toContain(attack(1));
    expect(await browser.evaluate('typeof hacked')).toBe('undefined');
    expect(await count('img')).toBe(0);
    expectQuiet();
  });

  const x = { name: 'FloatDistribution', attributes: { low: 0, high: 1, log: false, step: null } };
  const at = (value: number, more: RawTrial = {}): RawTrial => ({
    params: { x: 0.5 },
    distributions: { x },
    values: [value],
    ...more,
  });
  it.each<[string, RawTrial[], number]>([
    ['no trial', [], 0],
    ['one trial', [at(1, { reports: { 0: 2 } })], 1],
    ['equal values', [at(1), at(1), at(1)], 3],
    [
      'values that are not finite',
      [at(Infinity), at(-Infinity), at(3), at(0, { state: 3, values: null })],
      1,
    ],
    ['failed and waiting trials only', [at(0, { state: 3, values: null }), { state: 4 }], 0],
    [
      'reports that are not finite',
      [at(1, { reports: { 0: NaN, 1: 2, 2: Infinity, 3: 1 } }), at(2, { reports: { 0: NaN } })],
      2,
    ],
    ['large values', [at(1e300), at(-1e300), at(1e-300)], 3],
  ])('draws a study of %s', async (_, trials, marks) => {
    await open(await journal(trials));
    expect(await points('#history-card')).toBe(marks);
    expect(await count('#trials tbody tr')).toBe(trials.length);
    expectQuiet();
  });

  it('draws thousands of trials on a canvas, and says what it leaves out', async () => {
    const trials = Array.from({ length: 6000 }, (__, i): RawTrial => {
      const [a, b] = [(i * 0.618034) % 1, (i * 0.7548777) % 1];
      const reports = { 1: a + 1, 2: a + 0.5, 3: a };
      return {
        params: { x: a, y: b },
        distributions: { x, y: x },
        values: [(a - 0.3) ** 2 + b / 10],
        reports,
      };
    });
    await open(await journal(trials), { width: 1200, height: 1000 });
    expect(await count('#history-card canvas')).toBeGreaterThan(0);
    expect(await count('#history-card svg')).toBe(0);
    expect(await text('#history-card .note')).toMatch(/^3,0\d\d trials of 6,000 are shown\./);
    expect(await text('#table-place')).toMatch(/of 6,000 in all/);
    await browser.evaluate(`document.getElementById('curves-card').scrollIntoView()`);
    await settled();
    expect(await text('#curves-card .note')).toMatch(/The curves of 100 of 3\d\d\d trials/);
    expectQuiet();
  });
});
