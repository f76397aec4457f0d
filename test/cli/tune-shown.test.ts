/** `tenon tune report` and `tenon tune dashboard`. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tune } from '../../lib';
import { runCommand } from '../../lib/cli/program';
import { itBuilt, main, temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();
const study = join(dir, 'study');

beforeAll(async () => {
  const space = { x: tune.uniform(0, 1) };
  const made = await tune.study(study, { space, strategy: tune.random() });
  for await (const _ of made.run(({ x }) => x, { trials: 3 }));
  await made.close();
});

describe('tenon tune report', () => {
  it.each([study, join(study, 'study.log')])('writes the page of %s', async (place) => {
    const file = join(dir, 'page.html');
    const { code, out } = await tenon('tune', 'report', place, '--out', file);
    expect([code, out]).toEqual([0, `wrote ${file}: 3 trials\n`]);
    expect(readFileSync(file, 'utf8')).toContain('<title>study - tenon study</title>');
    const { lines } = await tenon('tune', 'report', place, '--out', file, '--json');
    expect(lines).toEqual([{ event: 'done', file, trials: 3 }]);
  });

  itBuilt('works in the package as it is built', () => {
    const file = join(dir, 'built.html');
    const args = [main, 'tune', 'report', study, '--out', file];
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe(`wrote ${file}: 3 trials\n`);
    expect(readFileSync(file, 'utf8')).toMatch(/<script>[^]*echarts/);
  });

  it('says what is wrong', async () => {
    const none = await tenon('tune', 'report', join(dir, 'none'));
    expect([none.code, none.err]).toEqual([1, `tenon: study ${join(dir, 'none')} does not exist\n`]);
    const named = await tenon('tune', 'report', study, '--name', 'other');
    expect([named.code, named.err]).toEqual([1, expect.stringMatching(/has no study other/)]);
    expect((await tenon('tune', 'report')).code).toBe(2);
  });
});

describe('tenon tune dashboard', () => {
  it('serves the page until it is interrupted', async () => {
    let started: (url: string) => void = () => undefined;
    const url = new Promise<string>((done) => (started = done));
    const stdout = { write: (text: string) => started((JSON.parse(text) as { url: string }).url) };
    const streams = { stdout, stderr: { write: () => undefined } };
    const ended = runCommand(['tune', 'dashboard', study, '--port', '0', '--json'], streams);
    const page = await fetch(await url);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('<title>study - tenon study</title>');
    process.emit('SIGINT', 'SIGINT');
    expect(await ended).toBe(130);
    await expect(fetch(await url)).rejects.toThrow();
  });

  it('says what is wrong', async () => {
    const port = await tenon('tune', 'dashboard', study, '--port', '70000');
    expect([port.code, port.err]).toEqual([
      2,
      expect.stringMatching(/--port must be a whole number from 0 to 65535/),
    ]);
  });
});
