/** Views of an image: the windows, at several sizes of it, whose answers are averaged in a test. */
import { OptionError, ShapeError } from '../errors';
import { checkList } from '../options';
import { checkNumber, kind, oneOf, type OptionsOf } from '../settings';
import { tensor, type Tensor } from '../tensor/tensor';
import type { Size } from './samples';

/** Numbers of windows that tests take from an image. */
export const CROPS = [1, 5, 10] as const;

/** The most scales of one test, which takes ten times as many passes. */
const MOST_SCALES = 100;
/** The longest short side of a scaled image. */
const LONGEST_SIDE = 65535;

const side = checkNumber({ minimum: 1, maximum: LONGEST_SIDE });

/** Lengths of the short side, one or more. */
export const scalesKind = kind<readonly number[]>({
  check: (where, name, value) => {
    checkList(where, name, value);
    if (value.length === 0 || value.length > MOST_SCALES)
      throw new OptionError(`${where}: ${name} must be 1 to ${MOST_SCALES} numbers, got ${value.length}`);
    return value.map((scale) => {
      if (Number.isInteger(scale)) return side(where, name, scale);
      throw new OptionError(`${where}: ${name} must be whole numbers of pixels, got ${String(scale)}`);
    });
  },
  domain: { type: 'list', of: { type: 'integer', minimum: 1, maximum: LONGEST_SIDE } },
});

/** Settings of whatever averages over views of an image. */
export const viewSettings = {
  crops: oneOf(CROPS)(
    "Windows of the model's size that are cut out of each image: 1 the centre, 5 the corners and the centre, 10 those and their mirror images.",
    { optional: true },
  ),
  scales: scalesKind(
    'Lengths of the short side, in pixels, that each image is resized to before the windows are cut out. Without it images stay as they are.',
    { optional: true },
  ),
};

/**
 * Test-time augmentation: answers are averaged over several windows of each image (10: Krizhevsky et al.
 * 2012; at scales of 224, 256, 384, 480 and 640 pixels: He et al. 2015). Either option alone turns it on.
 */
export type ViewOptions = OptionsOf<typeof viewSettings>;

/** One view, as `ops.viewCrops` takes it. */
export interface View {
  /** Length of the short side; 0: as it is. -1: as small as covers the window. */
  readonly shortSide: number;
  /** Centre, top left, top right, bottom left, bottom right. */
  readonly place: 0 | 1 | 2 | 3 | 4;
  readonly mirrored: boolean;
}

/** What a model sees that is shown an image once. */
export const PLAIN_VIEW: View = { shortSide: -1, place: 0, mirrored: false };

const CORNERS_AND_CENTRE = [1, 2, 3, 4, 0] as const;

/** The views that options ask for; undefined where they ask for none. @throws OptionError */
export function viewsOf(where: string, { crops, scales }: ViewOptions): readonly View[] | undefined {
  if (crops === undefined && scales === undefined) return undefined;
  const count = viewSettings.crops.check(where, 'crops', crops ?? 1);
  const lengths = scales === undefined ? [0] : viewSettings.scales.check(where, 'scales', scales);
  const places = count === 1 ? ([0] as const) : CORNERS_AND_CENTRE;
  const mirrors = count === 10 ? [false, true] : [false];
  return lengths.flatMap((shortSide) =>
    mirrors.flatMap((mirrored) => places.map((place) => ({ shortSide, place, mirrored }))),
  );
}

/** A view as the operand of `ops.viewCrops`. */
export function viewTensor({ shortSide, place, mirrored }: View): Tensor {
  return tensor([shortSide, place, mirrored ? 1 : 0], [3], 'f64');
}

/**
 * Checks that windows fit into images of a size.
 * @param describe what the images are called in the message
 * @throws ShapeError
 */
export function checkViews(
  where: string,
  views: readonly View[],
  window: Size,
  size: Size,
  describe: () => string,
): void {
  let checked = -1;
  for (const { shortSide } of views) {
    if (shortSide === checked) continue;
    checked = shortSide;
    const [height, width] = scaledSize(size, shortSide);
    if (Math.max(height, width) >= 2 ** 31)
      throw new ShapeError(`${where}: ${describe()} would be ${height}x${width} at scale ${shortSide}`);
    if (window[0] <= height && window[1] <= width) continue;
    const scaled = shortSide === 0 ? '' : ` at scale ${shortSide}`;
    throw new ShapeError(
      `${where}: a crop of ${window[0]}x${window[1]} does not fit into ${describe()}, ${height}x${width}${scaled}`,
    );
  }
}

/** As `ops.viewCrops` computes it. */
function scaledSize([h, w]: Size, shortSide: number): Size {
  if (shortSide <= 0) return [h, w];
  return h <= w ? [shortSide, Math.floor((w * shortSide) / h)] : [Math.floor((h * shortSide) / w), shortSide];
}
