/** The live page: its server, and what a browser makes of it. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { request, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tune } from '../../../lib';
import type { Dashboard, Shown } from '../../../lib/tune';
import { Browser, findChromium } from './browser';
import { writePicture } from './picture';
import { atFixedTimes, typicalStudy } from './studies';

const space = { x: tune.uniform(0, 1) };
const objective = ({ x }: { x: number }): number => x;

jest.setTimeout(180_000);

let folder: string;
let open: Dashboard[] = [];
const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenon-dashboard-'));
});
afterEach(async () => {
  for (const one of open) await one.close();
  open = [];
  rmSync(folder, { recursive: true, force: true });
});

async function serve(study: Shown): Promise<Dashboard> {
  const made = await tune.dashboard(study, { port: 0 });
  open.push(made);
  return made;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(
  url: string,
  { method = 'GET', host }: { method?: string; host?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, ...(host !== undefined && { headers: { host } }) }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    asked.on('error', reject).end();
  });
}

async function studyOf(trials: number) {
  const study = await tune.study(at('study'), { space, strategy: tune.random({ seed: 1 }) });
  for await (const _ of study.run(objective, { trials }));
  return study;
}

describe('tune.dashboard', () => {
  it('serves the page and its changes, on this machine only', async () => {
    const study = await studyOf(3);
    const { url, port } = await serve(at('study'));
    expect(url).toBe(`http://127.0.0.1:${port}/`);
    const page = await ask(url);
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'sha256-[^;]*; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; .*frame-ancestors 'none'$/,
    );
    expect(page.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    const first = JSON.parse((await ask(`${url}changes`)).body);
    expect(first).toMatchObject({ fresh: true, head: { trials: 3 } });
    for await (const _ of study.run(objective, { trials: 1 }));
    await new Promise((done) => setTimeout(done, 600));
    const next = JSON.parse((await ask(`${url}changes?since=${first.token}`)).body);
    expect(next).toMatchObject({ fresh: false, head: { trials: 4 }, rows: [{ number: 3 }] });
    await study.close();
  });

  it('follows an open study, without a file', async () => {
    const study = await tune.study(tune.memory(), { space, strategy: tune.random() });
    const { url } = await serve(study);
    expect(JSON.parse((await ask(`${url}changes`)).body).rows).toEqual([]);
    for await (const _ of study.run(objective, { trials: 2 }));
    await new Promise((done) => setTimeout(done, 600));
    expect(JSON.parse((await ask(`${url}changes`)).body).rows).toHaveLength(2);
  });

  it('answers only requests for itself, and only GET', async () => {
    await studyOf(1);
    const { url, port } = await serve(at('study'));
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example'])
      expect((await ask(url, { host })).status).toBe(403);
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
      expect((await ask(url, { host })).status).toBe(200);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect((await ask(url, { method })).status).toBe(405);
    const head = await ask(url, { method: 'HEAD' });
    expect([head.status, head.body]).toEqual([200, '']);
    for (const path of ['study.log', '../study.log', 'changes/', '%2e%2e/study.log'])
      expect((await ask(url + path)).status).toBe(404);
  });

  it('writes nothing, says what is wrong with a log, and recovers', async () => {
    const study = await studyOf(2);
    await study.close();
    const before = readdirSync(at('study'));
    const { url } = await serve(at('study'));
    await ask(url);
    expect(readdirSync(at('study'))).toEqual(before);
    rmSync(at('study'), { recursive: true });
    await new Promise((done) => setTimeout(done, 600));
    const lost = await ask(`${url}changes`);
    expect(lost.status).toBe(500);
    expect(JSON.parse(lost.body).problem).toMatch(/does not exist/);
    expect((await ask(url)).status).toBe(200);
    const again = await studyOf(1);
    await again.close();
    await new Promise((done) => setTimeout(done, 600));
    expect(JSON.parse((await ask(`${url}changes`)).body)).toMatchObject({ fresh: true, head: { trials: 1 } });
  });

  it('ends, also while a page is connected, and refuses a port that is taken', async () => {
    const study = await studyOf(1);
    const first = await serve(study);
    await expect(tune.dashboard(study, { port: first.port })).rejects.toThrow(
      new RegExp(`cannot listen on 127.0.0.1:${first.port}`),
    );
    await first.close();
    await expect(ask(first.url)).rejects.toThrow(/ECONNREFUSED/);
    await expect(tune.dashboard(study, { port: 70_000 })).rejects.toThrow(/port must be a whole number/);
    await expect(tune.dashboard(at('none'))).rejects.toThrow(/none does not exist/);
    await study.close();
  });
});

const chromium = findChromium();
if (chromium === undefined)
  console.warn('skipped: no browser opens the live page, because chromium is not installed');

(chromium === undefined ? describe.skip : describe)('the live page in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await Browser.start(chromium ?? '');
  });
  afterAll(() => browser?.close());

  const points = `document.querySelectorAll('#history-card svg path[d^="M1 0A1 1 0"]').length`;

  it('follows a search', async () => {
    const study = await atFixedTimes(() => typicalStudy(at('study'), 20));
    const { url } = await serve(at('study'));
    await browser.open(url, { width: 1200, height: 900 });
    const drawn = (): number => study.trials.filter(({ value }) => value !== undefined).length;
    await browser.until(`${points} === ${drawn()}`);
    await atFixedTimes(() => typicalStudy(at('study'), 25));
    await study.sync();
    expect(study.trials).toHaveLength(45);
    await browser.until(`${points} === ${drawn()}`);
    expect(browser.problems).toEqual([]);
    expect(new Set(browser.requests.map((one) => one.replace(/\?.*/, '')))).toEqual(
      new Set([`${url}changes`]),
    );
    await writePicture('dashboard', browser, { width: 1200, height: 860, dark: true }, async () => {
      await new Promise((done) => setTimeout(done, 500));
    });
  });

  it('begins anew with another study, and keeps what it has when the server ends', async () => {
    await (await studyOf(5)).close();
    const served = await serve(at('study'));
    await browser.open(served.url, { width: 1200, height: 900 });
    await browser.until(`${points} === 5`);
    rmSync(at('study'), { recursive: true });
    await browser.until(`document.getElementById('problem').textContent.includes('does not exist')`);
    await (await studyOf(3)).close();
    await browser.until(`${points} === 3`);
    await browser.until(`document.getElementById('problem').textContent === ''`);
    await served.close();
    await browser.until(`document.getElementById('problem').textContent.startsWith('not up to date')`);
    expect(await browser.evaluate(points)).toBe(3);
  });
});
