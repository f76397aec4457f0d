/** The examples run. They need the built package, which `npm test` makes first. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { drawGlyph } from '../../lib/data/glyphs';
import { temporaryDirectory } from './support';

const root = join(__dirname, '..', '..');
const dir = temporaryDirectory();
const built = existsSync(join(root, 'dist', 'index.mjs'));
const itBuilt = built ? it : it.skip;
if (!built) console.warn('examples are not run: dist/ is missing (npm run build:ts)');

describe('examples', () => {
  function run(name: string): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'examples', name)], {
      cwd: dir,
      encoding: 'utf8',
      timeout: 300_000,
    });
    expect([status, stderr.replaceAll(/^epoch .*\n/gm, '')]).toEqual([0, '']);
    return stdout;
  }

  itBuilt(
    'quickstart.mjs learns the glyphs, and serve.mjs serves its model',
    async () => {
      const [, accuracy] = /accuracy: ([\d.]+)/.exec(run('quickstart.mjs')) ?? [];
      expect(Number(accuracy)).toBeGreaterThan(0.98);
      await checkServer();
    },
    300_000,
  );

  itBuilt('transfer.mjs learns more from a trained network than from scratch', () => {
    const accuracies = [...run('transfer.mjs').matchAll(/accuracy: ([\d.]+)/g)].map(([, share]) =>
      Number(share),
    );
    const [scratch, linear, tuned] = accuracies as [number, number, number];
    expect(Math.min(scratch, linear)).toBeGreaterThan(0.5);
    expect(tuned).toBeGreaterThan(scratch + 0.03);
  });

  itBuilt('loop.mjs separates the circle', () => {
    const [, loss] = /step 300: loss ([\d.]+)/.exec(run('loop.mjs')) ?? [];
    expect(Number(loss)).toBeLessThan(0.1);
  });

  itBuilt(
    'custom-module.mjs names parameters by fields, and learns',
    () => {
      const text = run('custom-module.mjs');
      expect(text).toMatch(/^block\.first +Conv2d/m);
      expect(Number(/accuracy: ([\d.]+)/.exec(text)?.[1])).toBeGreaterThan(0.8);
    },
    300_000,
  );
});

async function checkServer(): Promise<void> {
  const server = spawn(process.execPath, [join(root, 'examples', 'serve.mjs')], {
    cwd: dir,
    env: { ...process.env, PORT: '0' },
  });
  try {
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const url = `http://127.0.0.1:${/listening on (\d+)/.exec(line.toString())?.[1]}`;
    const pixels = new Uint8Array(28 * 28);
    drawGlyph(0, 'test', 7, pixels);
    const glyph = sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } });
    for (const image of [glyph.clone().png(), glyph.clone().resize(84).jpeg()]) {
      const body = new Uint8Array(await image.toBuffer());
      const answer = (await (await fetch(url, { method: 'POST', body })).json()) as number[];
      expect(answer.indexOf(Math.max(...answer))).toBe(7);
    }
    const refused = await fetch(url, { method: 'POST', body: pixels });
    expect([refused.status, await refused.text()]).toEqual([
      400,
      expect.stringContaining('not a readable image'),
    ]);
  } finally {
    server.kill();
  }
}
