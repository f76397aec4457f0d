/**
 * Windows of images of different sizes, resized on the way: the images in one buffer, and the rectangles that
 * are cut out of them.
 */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { declareSettings, positiveInteger, type OptionsOf } from '../settings';
import { formatShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank, pairFrom } from './checks';

type Size = readonly [height: number, width: number];

/** Numbers in a row of crops: top, left, height, width, rows, columns, y, x, mirrored. */
export const CROP_COLUMNS = 9;

function checkTable(op: string, table: Tensor): void {
  checkDType(op, 'table', table, 'f64');
  if (table.rank !== 2 || table.shape[1] !== 3)
    throw new ShapeError(`${op}: table must be [T, 3], got ${formatShape(table.shape)}`);
}

function checkIndex(op: string, index: Tensor): void {
  checkDType(op, 'index', index, 'i32');
  checkRank(op, 'index', index, 1);
}

interface ResampleAttrs {
  readonly size: Size;
  readonly channels: number;
  readonly largest: Size;
}

const resampleOp: OpRecord<ResampleAttrs> = {
  name: 'resample_images',
  bf16: 'f32',
  infer: ([data, table, index, crops], { size, channels }) => {
    checkDType('resample_images', 'data', data!, 'u8');
    checkTable('resample_images', table!);
    checkIndex('resample_images', index!);
    checkDType('resample_images', 'crops', crops!, 'i32');
    const [batch] = index!.shape;
    if (crops!.rank !== 2 || crops!.shape[0] !== batch || crops!.shape[1] !== CROP_COLUMNS) {
      throw new ShapeError(
        `resample_images: crops must be [${batch}, ${CROP_COLUMNS}], got ${formatShape(crops!.shape)}`,
      );
    }
    return [{ shape: [batch!, channels, ...size], dtype: 'u8' }];
  },
  lower: (l, { largest }) => l.call('resample_images', l.inputs, l.outputs, { largest }),
};

const resampleSettings = declareSettings({
  size: pairFrom(1)('Height and width of the result, or one number for both.'),
  channels: positiveInteger('Values of a pixel.'),
  largest: pairFrom(1)('The largest height and width in the table, at most 65535.'),
});

/** What {@link resampleImages} makes. */
export type ResampleOptions = OptionsOf<typeof resampleSettings>;

/**
 * Windows of images, u8 [B, C, height, width]. Each is cut out of a rectangle of an image that is resized
 * first; of the resized rectangle only the window is computed. Resized as Pillow's BILINEAR does it, to the
 * bit: by the triangle filter, which interpolates where an image is enlarged, and where it is shrunk averages
 * over what a pixel covers, so that nothing is aliased. Not differentiable.
 * @param data u8, any shape: the images in memory, H W C, one after the other
 * @param table f64 [T, 3]: first byte, height and width of each image
 * @param index i32 [B]: rows of the table
 * @param crops i32 [B, 9]: top, left, height and width of the rectangle; the rows and columns that it is
 *   resized to; row and column of the window's corner in these; 1 where the window is mirrored left and
 *   right. One that does not lie inside its image, and an index outside the table, make the run reject
 * @throws ShapeError, DTypeError, OptionError
 */
export function resampleImages(
  data: Tensor,
  table: Tensor,
  index: Tensor,
  crops: Tensor,
  options: ResampleOptions,
): Tensor {
  const attrs = resampleSettings.read('resample_images', options);
  return first(applyOp(resampleOp, [data, table, index, crops], attrs));
}

const viewCropsOp: OpRecord<{ size: Size }> = {
  name: 'view_crops',
  bf16: 'f32',
  infer: ([table, index, view]) => {
    checkTable('view_crops', table!);
    checkIndex('view_crops', index!);
    checkDType('view_crops', 'view', view!, 'f64');
    if (view!.rank !== 1 || view!.shape[0] !== 3)
      throw new ShapeError(`view_crops: view must be [3], got ${formatShape(view!.shape)}`);
    return [{ shape: [index!.shape[0]!, CROP_COLUMNS], dtype: 'i32' }];
  },
  lower: (l, { size }) => l.call('view_crops', l.inputs, l.outputs, { size }),
};

const viewSettings = declareSettings({
  size: pairFrom(1)('Height and width of the window, or one number for both.'),
});

export type ViewCropsOptions = OptionsOf<typeof viewSettings>;

/**
 * Where one view of each image is, i32 [B, 9] for {@link resampleImages}: order and rounding are those of
 * torchvision's Resize, CenterCrop, FiveCrop and TenCrop.
 * @param table as for resampleImages
 * @param index i32 [B]: rows of the table
 * @param view f64 [3]. Length of the short side that the image is resized to: 0 leaves it as it is, -1 makes
 *   it as small as covers the window. Place of the window: 0 centre, 1 top left, 2 top right, 3 bottom left,
 *   4 bottom right. 1 where the image is mirrored first. A window that does not fit makes the run reject
 */
export function viewCrops(table: Tensor, index: Tensor, view: Tensor, options: ViewCropsOptions): Tensor {
  const attrs = viewSettings.read('view_crops', options);
  return first(applyOp(viewCropsOp, [table, index, view], attrs));
}
