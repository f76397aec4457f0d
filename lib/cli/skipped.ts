/** The damaged images that a split leaves out with `--on-error skip`. */
import type { Dataset } from '../data';
import { clip } from '../options';
import type { Output } from './output';

/** The most images that a warning names. */
const SKIPPED_SHOWN = 5;

/** Warns which images a split leaves out. */
export function reportSkipped(output: Output, split: string, { skipped }: Dataset): void {
  if (skipped.length === 0) return;
  const shown = skipped
    .slice(0, SKIPPED_SHOWN)
    .map(({ file, reason }) => `${clip(file)} (${oneLine(reason)})`);
  if (skipped.length > SKIPPED_SHOWN) shown.push(`and ${skipped.length - SKIPPED_SHOWN} more`);
  const images = skipped.length === 1 ? 'image' : 'images';
  output.warning(`skipped ${skipped.length} damaged ${images} of ${split}: ${shown.join('; ')}`);
}

/** The same as data, for `--json`. */
export function skippedFields({ skipped }: Dataset): { readonly file: string; readonly reason: string }[] {
  return skipped.map(({ file, reason }) => ({ file, reason }));
}

export function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}
