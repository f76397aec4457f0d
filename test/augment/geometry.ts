/**
 * Geometric augmentations, stated anew in float64: each is a function from the centre of a pixel of its
 * result to a point of its input. Definitions are torchvision's.
 */
import { wordsOf, type Stream } from './support';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** One operation of a chain. */
export interface Step {
  readonly in: readonly [h: number, w: number];
  readonly out: readonly [h: number, w: number];
  readonly fill: number;
  /** Pixels of the input outside of it have no influence. */
  readonly window?: Window;
  back(point: Point): Point;
}

export interface Window {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

type Size = readonly [h: number, w: number];

export const flipStep = (size: Size): Step => ({
  in: size,
  out: size,
  fill: 0,
  back: ({ x, y }) => ({ x: size[1] - x, y }),
});

export const verticalFlipStep = (size: Size): Step => ({
  in: size,
  out: size,
  fill: 0,
  back: ({ x, y }) => ({ x, y: size[0] - y }),
});

export function cropStep(size: Size, out: Size, padding: number, fill: number, stream: Stream): Step {
  const top = stream.below(size[0] + 2 * padding - out[0] + 1) - padding;
  const left = stream.below(size[1] + 2 * padding - out[1] + 1) - padding;
  return { in: size, out, fill, back: ({ x, y }) => ({ x: x + left, y: y + top }) };
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** RandomAffine about the centre: the matrix of torchvision's documentation, and its numerical inverse. */
export function affineStep(
  size: Size,
  numbers: readonly [angle: number, x: number, y: number, scale: number, shearX: number, shearY: number],
  fill: number,
): Step {
  const [h, w] = size;
  const [angle, x, y, scale, shearX, shearY] = numbers;
  const [tx, ty] = [Math.round(x * w), Math.round(y * h)];
  const [a, sx, sy] = [radians(angle), radians(shearX), radians(shearY)];
  const m = [
    (scale * Math.cos(a - sy)) / Math.cos(sy),
    scale * ((-Math.cos(a - sy) * Math.tan(sx)) / Math.cos(sy) - Math.sin(a)),
    (scale * Math.sin(a - sy)) / Math.cos(sy),
    scale * ((-Math.sin(a - sy) * Math.tan(sx)) / Math.cos(sy) + Math.cos(a)),
  ] as const;
  const det = m[0] * m[3] - m[1] * m[2];
  return {
    in: size,
    out: size,
    fill,
    back(point) {
      const [dx, dy] = [point.x - w / 2 - tx, point.y - h / 2 - ty];
      return { x: w / 2 + (m[3] * dx - m[1] * dy) / det, y: h / 2 + (m[0] * dy - m[2] * dx) / det };
    },
  };
}

/** RandomResizedCrop's window, drawn as torchvision draws it, but for its fallback. */
export function resizedCropStep(
  size: Size,
  out: Size,
  scale: readonly [number, number],
  ratio: readonly [number, number],
  stream: Stream,
): Required<Step> {
  const [h, w] = size;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = h * w * stream.uniform(...scale);
    const aspect = Math.exp(stream.uniform(Math.log(ratio[0]), Math.log(ratio[1])));
    const height = Math.round(Math.sqrt(area / aspect));
    const width = Math.round(Math.sqrt(area * aspect));
    if (height < 1 || width < 1 || height > h || width > w) continue;
    const top = stream.below(h - height + 1);
    const left = stream.below(w - width + 1);
    const back = ({ x, y }: Point): Point => ({
      x: left + (x * width) / out[1],
      y: top + (y * height) / out[0],
    });
    return { in: size, out, fill: 0, back, window: { top, left, height, width } };
  }
  throw new Error('ten attempts did not fit');
}

/**
 * A window of an image made as large as `out` by the triangle filter, which is widened where a side shrinks.
 */
export function antialiased(
  pixels: ArrayLike<number>,
  [, w]: Size,
  channels: number,
  window: Window,
  out: Size,
): number[] {
  const weightsOf = (extent: number, count: number): number[][] =>
    Array.from({ length: count }, (_, i) => {
      const step = extent / count;
      const reach = Math.max(step, 1);
      const heights = Array.from({ length: extent }, (__, x) =>
        Math.max(0, 1 - Math.abs(x + 0.5 - (i + 0.5) * step) / reach),
      );
      const total = heights.reduce((sum, height) => sum + height, 0);
      return heights.map((height) => height / total);
    });
  const down = weightsOf(window.height, out[0]);
  const across = weightsOf(window.width, out[1]);
  const result: number[] = [];
  for (const rows of down)
    for (const columns of across)
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        rows.forEach((y, row) => {
          if (y > 0)
            columns.forEach((x, column) => {
              sum += x * y * pixels[((window.top + row) * w + window.left + column) * channels + c]!;
            });
        });
        result.push(sum);
      }
  return result;
}

/** ElasticTransform: uniform noise, blurred by torchvision's gaussian_blur with reflected edges. */
export function elasticStep(size: Size, alpha: number, sigma: number, fill: number, stream: Stream): Step {
  const [h, w] = size;
  const fields = [0, 1].map(() => {
    const key = [stream.word(), stream.word()] as const;
    const noise = wordsOf(key, h * w).map(
      (word) => (alpha / 2) * (2 * Math.floor(word / 256) * 2 ** -24 - 1),
    );
    return blurred(noise, size, sigma);
  });
  const at = (field: readonly number[], p: Point): number =>
    mixed(p, size, (row, column) => field[row * w + column]!);
  return {
    in: size,
    out: size,
    fill,
    back: (p) => ({ x: p.x + at(fields[0]!, p), y: p.y + at(fields[1]!, p) }),
  };
}

function blurred(values: readonly number[], [h, w]: Size, sigma: number): number[] {
  const odd = Math.floor(8 * sigma + 1);
  const reach = Math.floor((odd % 2 === 0 ? odd + 1 : odd) / 2);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const reflect = (i: number, n: number): number => {
    let at = i;
    while (n > 1 && (at < 0 || at >= n)) at = at < 0 ? -at : 2 * (n - 1) - at;
    return n > 1 ? at : 0;
  };
  const along = (from: readonly number[], step: (y: number, x: number, by: number) => number): number[] =>
    from.map((_, i) => {
      const [y, x] = [Math.floor(i / w), i % w];
      return weights.reduce((sum, weight, k) => sum + (weight / total) * from[step(y, x, k - reach)]!, 0);
    });
  const down = along(values, (y, x, by) => reflect(y + by, h) * w + x);
  return along(down, (y, x, by) => y * w + reflect(x + by, w));
}

/** Between the centres of four pixels; neighbours are clamped at the edge of the window. */
function mixed(
  p: Point,
  [h, w]: Size,
  at: (row: number, column: number) => number,
  window: Window = { top: 0, left: 0, height: h, width: w },
): number {
  const [x, y] = [p.x - 0.5, p.y - 0.5];
  const [x0, y0] = [Math.floor(x), Math.floor(y)];
  const clamp = (i: number, from: number, n: number): number => Math.min(Math.max(i, from), from + n - 1);
  const value = (dy: number, dx: number): number =>
    at(clamp(y0 + dy, window.top, window.height), clamp(x0 + dx, window.left, window.width));
  const top = value(0, 0) * (1 - (x - x0)) + value(0, 1) * (x - x0);
  const bottom = value(1, 0) * (1 - (x - x0)) + value(1, 1) * (x - x0);
  return top * (1 - (y - y0)) + bottom * (y - y0);
}

/** One resampling: each pixel of the result goes back through all steps, the last one first. */
export function composite(
  pixels: ArrayLike<number>,
  channels: number,
  steps: readonly Step[],
  sampling: 'bilinear' | 'nearest' = 'bilinear',
): number[] {
  const result: number[] = [];
  const [h, w] = steps[steps.length - 1]!.out;
  for (let row = 0; row < h; row++) {
    for (let column = 0; column < w; column++) {
      let p: Point = { x: column + 0.5, y: row + 0.5 };
      let fill: number | undefined;
      for (let k = steps.length - 1; k >= 0 && fill === undefined; k--) {
        const step = steps[k]!;
        p = step.back(p);
        if (p.x < 0 || p.y < 0 || p.x >= step.in[1] || p.y >= step.in[0]) ({ fill } = step);
      }
      const source = steps[0]!.in;
      for (let c = 0; c < channels; c++) {
        const at = (y: number, x: number): number => pixels[(y * source[1] + x) * channels + c]!;
        const taken = (): number =>
          sampling === 'nearest'
            ? at(Math.floor(p.y), Math.floor(p.x))
            : mixed(p, source, at, steps[0]!.window);
        result.push(fill ?? taken());
      }
    }
  }
  return result;
}

/** Mean and 99th percentile of the differences. */
export function differences(a: ArrayLike<number>, b: ArrayLike<number>): { mean: number; p99: number } {
  expect(a.length).toBe(b.length);
  const sorted = Float64Array.from({ length: a.length }, (_, i) => Math.abs(a[i]! - b[i]!)).sort();
  const mean = sorted.reduce((sum, d) => sum + d, 0) / sorted.length;
  return { mean, p99: sorted[Math.floor(0.99 * (sorted.length - 1))]! };
}
