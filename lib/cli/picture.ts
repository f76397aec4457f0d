/** Small images as text, side by side: enough to see what a model was shown and what it answered. */

/** One image, uint8 H,W,C. */
export interface Picture {
  readonly bytes: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly caption: string;
}

/** From white to black. */
const RAMP = ' .:-=+*#%@';
const GAP = '   ';

/** The mean over channels of the brightness at row y, column x. */
function brightness({ bytes, width, channels }: Picture, y: number, x: number): number {
  let sum = 0;
  for (let c = 0; c < channels; c++) sum += bytes[(y * width + x) * channels + c] ?? 0;
  return sum / channels;
}

/** A character is about twice as high as it is wide, so it stands for two rows of one column. */
function rowsOf(picture: Picture): string[] {
  const rows: string[] = [];
  for (let y = 0; y + 1 < picture.height; y += 2) {
    let row = '';
    for (let x = 0; x < picture.width; x++) {
      const value = (brightness(picture, y, x) + brightness(picture, y + 1, x)) / 2;
      row += RAMP[Math.min(RAMP.length - 1, Math.floor((value * RAMP.length) / 256))] ?? ' ';
    }
    rows.push(row);
  }
  return rows;
}

/** Pictures of one size in a row, with captions below them. */
export function sideBySide(pictures: readonly Picture[]): string {
  const columns = pictures.map((picture) => [...rowsOf(picture), picture.caption.padEnd(picture.width)]);
  const height = Math.max(0, ...columns.map((column) => column.length));
  const lines = Array.from({ length: height }, (_, y) => columns.map((column) => column[y] ?? '').join(GAP));
  return lines.map((line) => line.trimEnd()).join('\n');
}
