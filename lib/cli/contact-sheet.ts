/** Rows of small pictures, with a line of text above each row, as a PNG. */
import type { Pixels } from '../augment';
import { loadSharp } from '../data/sharp';
import { DataError } from '../errors';

/** Pictures side by side: bytes of [height, width, channels], with 1 or 3 channels. */
export interface SheetRow {
  readonly label: string;
  readonly pictures: readonly Pixels[];
}

export interface Sheet {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Pixels around each picture, and the height of a line of text. */
const [GAP, LINE] = [4, 18];
/** Small pictures are enlarged by a whole number, so that the largest has at least this side. */
const LEAST_SIDE = 64;
/** Most pixels of a sheet: 192 MiB of memory. */
const MAX_PIXELS = 2 ** 26;

interface Layout {
  readonly width: number;
  readonly height: number;
  /** Height of a row with its text. */
  readonly row: number;
  readonly cell: { readonly height: number; readonly width: number };
  /** How often a pixel of a picture is repeated in each direction. */
  readonly zoom: number;
}

/** Draws a sheet. @throws DataError where it would be too large; TenonError if sharp is not installed */
export async function drawSheet(rows: readonly SheetRow[]): Promise<Sheet> {
  const sharp = loadSharp();
  const layout = layoutOf(rows);
  const { width, height } = layout;
  const bytes = Buffer.alloc(width * height * 3, 255);
  rows.forEach(({ pictures }, down) => {
    pictures.forEach((picture, right) => paint(bytes, layout, picture, down, right));
  });
  const text = { input: Buffer.from(labels(rows, layout)), left: 0, top: 0 };
  const image = sharp(bytes, { raw: { width, height, channels: 3 } }).composite([text]);
  return { png: await image.removeAlpha().png().toBuffer(), width, height };
}

function layoutOf(rows: readonly SheetRow[]): Layout {
  const shapes = rows.flatMap(({ pictures }) => pictures.map(({ shape }) => shape));
  const most = (sizes: readonly number[]): number => sizes.reduce((a, b) => Math.max(a, b), 1);
  const [tallest, widest] = [0, 1].map((axis) => most(shapes.map((shape) => shape[axis]!))) as [
    number,
    number,
  ];
  const zoom = Math.max(1, Math.ceil(LEAST_SIDE / Math.max(tallest, widest)));
  const cell = { height: zoom * tallest, width: zoom * widest };
  const row = LINE + cell.height + GAP;
  const columns = most(rows.map(({ pictures }) => pictures.length));
  const width = GAP + columns * (cell.width + GAP);
  const height = rows.length * row;
  if (width * height > MAX_PIXELS)
    throw new DataError(
      `a sheet of ${rows.length} x ${columns} pictures of ${tallest}x${widest} is too large: ${height}x${width} pixels, at most ${MAX_PIXELS} in all`,
    );
  return { width, height, row, cell, zoom };
}

/** Paints a picture at the top left of its cell. */
function paint(bytes: Buffer, layout: Layout, { pixels, shape }: Pixels, down: number, right: number): void {
  const [height, width, channels] = shape as readonly [number, number, number];
  const { zoom, cell, row } = layout;
  const [top, left] = [down * row + LINE, GAP + right * (cell.width + GAP)];
  for (let y = 0; y < height * zoom; y++)
    for (let x = 0; x < width * zoom; x++) {
      const from = (Math.floor(y / zoom) * width + Math.floor(x / zoom)) * channels;
      const to = ((top + y) * layout.width + left + x) * 3;
      for (let c = 0; c < 3; c++) bytes[to + c] = pixels[from + Math.min(c, channels - 1)]!;
    }
}

function labels(rows: readonly SheetRow[], { width, height, row }: Layout): string {
  const lines = rows.map(
    ({ label }, down) => `<text x="${GAP}" y="${down * row + LINE - 5}">${escaped(label)}</text>`,
  );
  const style = 'font-family="sans-serif" font-size="12"';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ${style}>${lines.join('')}</svg>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
