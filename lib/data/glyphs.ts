/**
 * The embedded data set: ten digits drawn with strokes, each sample warped, thickened and made noisy in its
 * own way. It needs no download, and is hard enough that a small convolutional network learns it in an epoch
 * or two where a linear classifier cannot.
 *
 * Sample `i` is a function of (seed, split, i) only, the same bits on every machine: arithmetic is +, -, *, /
 * and square roots, which IEEE 754 fixes, and never Math.sin, whose last bits are the engine's own.
 */
import { OptionError } from '../errors';
import { checkKeys, nonNegativeInteger, oneOf, positiveInteger } from '../options';
import { GLYPHS } from './glyph-strokes';
import { philox } from '../philox';
import { type ImageSource, eagerSource, numberedClasses } from './source';

/** Options of `glyphs`. */
export interface GlyphsOptions {
  /** Number of samples. Default 12,000 for train, 2,000 for the others. */
  readonly count?: number;
  /** Which set to draw. Default 0. */
  readonly seed?: number;
}

/** Splits of the embedded set; they share no random numbers. */
export type GlyphsSplit = 'train' | 'validation' | 'test';

// Held here because in a vm context (jest) every look-up of a global is some hundred times slower
// than the arithmetic.
const { ceil, floor, max, min, round, sqrt } = Math;

const SPLITS = ['train', 'validation', 'test'] as const;
const SIDE = 28;
const PIXELS = SIDE * SIDE;
const SLICE = 64;

/**
 * Draws the embedded set: [28, 28, 1] samples, white strokes on black, classes '0' to '9' in turn. Pauses
 * every few milliseconds so that the event loop turns.
 * @throws OptionError for a bad split, count, seed or unknown key
 */
export async function glyphs(split: GlyphsSplit, options: GlyphsOptions = {}): Promise<ImageSource> {
  oneOf('glyphs', 'split', split, SPLITS);
  checkKeys('glyphs', options, ['count', 'seed']);
  const count = positiveInteger('glyphs', 'count', options.count ?? (split === 'train' ? 12_000 : 2_000));
  if (count > 10_000_000) throw new OptionError(`glyphs: count must be at most 10000000, got ${count}`);
  const seed = nonNegativeInteger('glyphs', 'seed', options.seed ?? 0);
  const bytes = new Uint8Array(count * PIXELS);
  for (let i = 0; i < count; i++) {
    drawGlyph(seed, split, i, bytes.subarray(i * PIXELS, (i + 1) * PIXELS));
    if (i % SLICE === SLICE - 1) await new Promise(setImmediate);
  }
  const labels = Int32Array.from({ length: count }, (_, i) => glyphLabel(i));
  return eagerSource('glyphs', {
    height: SIDE,
    width: SIDE,
    channels: 1,
    classNames: numberedClasses(10),
    labels,
    bytes,
  });
}

/** The class of sample `index`: classes take turns, so every stretch of the set is balanced. */
export function glyphLabel(index: number): number {
  return index % 10;
}

/** Draws sample `index` of a split into `out`, 784 bytes. */
export function drawGlyph(seed: number, split: GlyphsSplit, index: number, out: Uint8Array): void {
  const random = new SampleRandom(seed, SPLITS.indexOf(split), index);
  const pose = randomPose(random);
  coverage.fill(0);
  for (const line of GLYPHS[glyphLabel(index)] ?? []) drawLine(line, pose, random);
  if (random.uniform(0, 1) < 0.5) drawScratch(random);
  shade(out, random);
}

/** Random numbers of one sample. */
class SampleRandom {
  private readonly words = new Uint32Array(4);
  private block = 0;
  private used = 4;

  constructor(
    private readonly seed: number,
    private readonly split: number,
    private readonly index: number,
  ) {}

  /** 32 random bits. */
  next(): number {
    if (this.used === 4) {
      const seedHigh = floor(this.seed / 2 ** 32);
      philox(this.words, this.seed, seedHigh, this.block++, this.index, this.split, GLYPHS_STREAM);
      this.used = 0;
    }
    return this.words[this.used++] ?? 0;
  }

  /** Uniform in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * (this.next() / 2 ** 32);
  }
}

/** Keeps these numbers apart from any other use of the same seed ("glyp" in ASCII). */
const GLYPHS_STREAM = 0x676c7970;

/**
 * Where a point of the unit square lands: x' = xx x + xy y + x0, y' = yx x + yy y + y0, in pixels; and the
 * half width of strokes.
 */
interface Pose {
  readonly xx: number;
  readonly xy: number;
  readonly x0: number;
  readonly yx: number;
  readonly yy: number;
  readonly y0: number;
  readonly radius: number;
  readonly wobble: number;
}

/** A rotation by up to 20 degrees, a scale for each side, a shear and a shift. */
function randomPose(random: SampleRandom): Pose {
  const angle = random.uniform(-0.35, 0.35);
  const width = random.uniform(9, 16);
  const height = random.uniform(14, 21);
  const shear = random.uniform(-0.3, 0.3);
  // Taylor series to the seventh order: the error is below 1e-9 at 0.35 radians.
  const a2 = angle * angle;
  const sin = angle * (1 - (a2 / 6) * (1 - (a2 / 20) * (1 - a2 / 42)));
  const cos = 1 - (a2 / 2) * (1 - (a2 / 12) * (1 - a2 / 30));
  const xx = width * cos;
  const xy = height * (shear * cos - sin);
  const yx = width * sin;
  const yy = height * (shear * sin + cos);
  const middle = (SIDE - 1) / 2;
  return {
    xx,
    xy,
    yx,
    yy,
    x0: middle + random.uniform(-3.5, 3.5) - (xx + xy) / 2,
    y0: middle + random.uniform(-3, 3) - (yx + yy) / 2,
    radius: random.uniform(0.55, 1.7),
    wobble: random.uniform(0, 0.045),
  };
}

/** How much of each pixel is ink, 0 to 1; scratch memory, used within one call of drawGlyph. */
const coverage = new Float32Array(PIXELS);

/** Draws a polyline of points x0, y0, x1, y1, ... in the unit square, each moved a little. */
function drawLine(points: readonly number[], pose: Pose, random: SampleRandom): void {
  let lastX = 0;
  let lastY = 0;
  for (let p = 0; p < points.length; p += 2) {
    const x = (points[p] ?? 0) + random.uniform(-pose.wobble, pose.wobble);
    const y = (points[p + 1] ?? 0) + random.uniform(-pose.wobble, pose.wobble);
    const px = pose.xx * x + pose.xy * y + pose.x0;
    const py = pose.yx * x + pose.yy * y + pose.y0;
    if (p > 0) drawSegment(lastX, lastY, px, py, pose.radius);
    lastX = px;
    lastY = py;
  }
}

/** A thin short line at a random place, which a model has to ignore. */
function drawScratch(random: SampleRandom): void {
  const x = random.uniform(0, SIDE - 1);
  const y = random.uniform(0, SIDE - 1);
  drawSegment(x, y, x + random.uniform(-6, 6), y + random.uniform(-6, 6), random.uniform(0.2, 0.6));
}

/**
 * Adds a segment with round ends: a pixel is covered by how far its centre lies inside the stroke's edge,
 * one pixel soft.
 */
function drawSegment(ax: number, ay: number, bx: number, by: number, radius: number): void {
  const reach = radius + 0.5;
  const left = max(0, ceil(min(ax, bx) - reach));
  const right = min(SIDE - 1, floor(max(ax, bx) + reach));
  const top = max(0, ceil(min(ay, by) - reach));
  const bottom = min(SIDE - 1, floor(max(ay, by) + reach));
  const dx = bx - ax;
  const dy = by - ay;
  const inverse = 1 / max(dx * dx + dy * dy, 1e-12);
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const along = min(1, max(0, ((x - ax) * dx + (y - ay) * dy) * inverse));
      const ex = x - ax - along * dx;
      const ey = y - ay - along * dy;
      const covered = min(1, reach - sqrt(ex * ex + ey * ey));
      const at = y * SIDE + x;
      if (covered > (coverage[at] ?? 0)) coverage[at] = covered;
    }
  }
}

/** Ink and paper of a random contrast, a slope of light, and noise on every pixel. */
function shade(out: Uint8Array, random: SampleRandom): void {
  const paper = random.uniform(0, 50);
  const ink = random.uniform(150, 255) - paper;
  const slopeX = random.uniform(-1.2, 1.2);
  const slopeY = random.uniform(-1.2, 1.2);
  const noise = random.uniform(2, 24) / 128;
  let bits = 0;
  for (let at = 0; at < PIXELS; at++) {
    // Two bytes per pixel: their difference has a triangular density, a cheap bell.
    bits = at % 2 === 0 ? random.next() : bits >>> 16;
    const bell = (bits & 0xff) - ((bits >>> 8) & 0xff);
    const light = (at % SIDE) * slopeX + floor(at / SIDE) * slopeY - 13.5 * (slopeX + slopeY);
    const value = paper + ink * (coverage[at] ?? 0) + light + bell * noise;
    out[at] = min(255, max(0, round(value)));
  }
}
