/**
 * Pictures of the pages for docs/tuning.md:
 * TENON_PICTURES=docs/tuning npx jest test/tune/report
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Browser, Window } from './browser';

const { TENON_PICTURES: folder } = process.env;

/** Takes a picture of what the browser shows, where pictures are wanted. */
export async function writePicture(
  name: string,
  browser: Browser,
  window: Window,
  settled: () => Promise<void>,
): Promise<void> {
  if (folder === undefined) return;
  await browser.resize(window);
  // Where the tests keep their studies tells a reader nothing.
  await browser.evaluate(`void (document.getElementById('place').textContent = 'runs/search/study.log')`);
  await settled();
  mkdirSync(folder, { recursive: true });
  const png = sharp(await browser.screenshot()).png({ palette: true, colours: 16, compressionLevel: 9 });
  await png.toFile(join(folder, `${name}.png`));
}
