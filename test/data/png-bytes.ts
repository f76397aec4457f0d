/** PNG files byte by byte: black images of any size, which are never in memory as a whole. */
import { constants, crc32, deflateRawSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** First column and row, and steps, of the passes of an interlaced PNG. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
const PIECE = 2 ** 20;

function chunk(type: string, content: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(type), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

/** Bytes of all rows, each with its filter byte. */
function rowBytes(width: number, height: number, interlaced: boolean, pixel: number): number {
  if (!interlaced) return height * (1 + width * pixel);
  return ADAM7.reduce((sum, [x, y, dx, dy]) => {
    const [columns, rows] = [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)];
    return sum + (columns > 0 && rows > 0 ? rows * (1 + columns * pixel) : 0);
  }, 0);
}

/** A zlib stream of `count` zeros. */
function zlibOfZeros(count: number): Buffer {
  const piece = deflateRawSync(Buffer.alloc(PIECE), { finishFlush: constants.Z_FULL_FLUSH });
  const pieces: Uint8Array[] = Array.from({ length: Math.floor(count / PIECE) }, () => piece);
  const adler = Buffer.alloc(4);
  adler.writeUInt16BE(count % 65521, 0);
  adler.writeUInt16BE(1, 2);
  return Buffer.concat([
    Buffer.from([0x78, 0x9c]),
    ...pieces,
    deflateRawSync(Buffer.alloc(count % PIECE)),
    adler,
  ]);
}

/** The header of an image of 16-bit RGBA, and its end. */
function png(width: number, height: number, interlaced: boolean, ...content: Uint8Array[]): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([16, 6, 0, 0, interlaced ? 1 : 0], 8);
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), ...content, chunk('IEND', Buffer.alloc(0))]);
}

/** A transparent black image of 16-bit RGBA: about a thousandth of 8 bytes per pixel. */
export function pngOfZeros(width: number, height: number, interlaced: boolean): Buffer {
  return png(width, height, interlaced, chunk('IDAT', zlibOfZeros(rowBytes(width, height, interlaced, 8))));
}

/** An image of that size by its header, with no more than one row. */
export function pngHead(width: number, height: number, interlaced: boolean): Buffer {
  return png(width, height, interlaced, chunk('IDAT', zlibOfZeros(1 + width * 8)));
}
