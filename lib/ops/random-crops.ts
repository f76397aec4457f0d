/** Random windows of images of different sizes, as `resampleImages` takes them. */
import { OptionError, ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { checkObject, finite, nonNegativeInteger, positiveInteger, show } from '../options';
import { streamKey, type StreamKey } from '../random';
import { formatShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkPerImage, checkRank, checkScalar, pair } from './checks';
import { CROP_COLUMNS } from './resample-images';

type Pair = readonly [number, number];

/** Images, and what decides the random numbers of each. */
export interface RandomCropOperands {
  /** f64 [T, 3]: first byte, height and width of each image. */
  readonly table: Tensor;
  /** Rows of the table, i32 [B]. */
  readonly index: Tensor;
  /** Which sample each image is, i32 [B]. */
  readonly samples: Tensor;
  /** How often each sample came before in this epoch, i32 [B]. */
  readonly occurrence: Tensor;
  /** A runtime scalar. */
  readonly epoch: Tensor;
}

interface Common {
  readonly seed: number;
  /** Place in the list of augmentations, from 0: part of what decides the random numbers. */
  readonly place: number;
  /** Height and width of the window. */
  readonly size: number | Pair;
}

export interface RandomScaleCropOptions extends Common {
  /** Least and most length of the short side that an image is resized to, at most 32768. */
  readonly shortSide: Pair;
}

export interface RandomResizedCropOptions extends Common {
  /** Least and most share of the area. */
  readonly scale: Pair;
  /** Least and most ratio of width to height. */
  readonly ratio: Pair;
}

interface Attrs {
  readonly key: StreamKey;
  readonly place: number;
  readonly size: Pair;
}

function infer(name: string, operands: readonly Tensor[]): { shape: number[]; dtype: 'i32' }[] {
  const [table, index, samples, occurrence, epoch] = operands as [Tensor, Tensor, Tensor, Tensor, Tensor];
  checkDType(name, 'table', table, 'f64');
  if (table.rank !== 2 || table.shape[1] !== 3)
    throw new ShapeError(`${name}: table must be [T, 3], got ${formatShape(table.shape)}`);
  checkDType(name, 'index', index, 'i32');
  checkRank(name, 'index', index, 1);
  checkPerImage(name, 'samples', samples, index);
  checkPerImage(name, 'occurrence', occurrence, index);
  checkScalar(name, 'epoch', epoch);
  return [{ shape: [index.shape[0]!, CROP_COLUMNS], dtype: 'i32' }];
}

const scaleOp: OpRecord<Attrs & { readonly shortSide: Pair }> = {
  name: 'random_scale_crops',
  bf16: 'f32',
  infer: (operands) => infer('random_scale_crops', operands),
  lower: (l, attrs) => l.call('random_scale_crops', l.inputs, l.outputs, { ...attrs }),
};

const resizedOp: OpRecord<Attrs & { readonly scale: Pair; readonly ratio: Pair }> = {
  name: 'random_resized_crops',
  bf16: 'f32',
  infer: (operands) => infer('random_resized_crops', operands),
  lower: (l, attrs) => l.call('random_resized_crops', l.inputs, l.outputs, { ...attrs }),
};

/**
 * Resizes each image so that its short side has a random length, and cuts a window out at a random place, i32
 * [B, 9]. What is drawn is a function of (seed, epoch, sample, occurrence, place), whatever the batch.
 * Simonyan, Zisserman 2015; He et al. 2016.
 * @throws ShapeError, DTypeError, OptionError
 */
export function randomScaleCrops(operands: RandomCropOperands, options: RandomScaleCropOptions): Tensor {
  const where = 'random_scale_crops';
  const attrs = common(where, operands, options);
  const shortSide = ordered(where, 'shortSide', options.shortSide, 1, 32768).map((side) =>
    positiveInteger(where, 'shortSide', side),
  ) as [number, number];
  if (shortSide[0] < Math.max(...attrs.size))
    throw new OptionError(
      `${where}: a window of ${attrs.size[0]}x${attrs.size[1]} does not fit into images of short side ${shortSide[0]}`,
    );
  return first(applyOp(scaleOp, inOrder(operands), { ...attrs, shortSide }));
}

/**
 * A rectangle of each image, of a random share of its area and a random ratio, at a random place, resized to
 * `size`, i32 [B, 9]: torchvision's RandomResizedCrop (Szegedy et al. 2015). Draws as `randomScaleCrops`.
 * @throws ShapeError, DTypeError, OptionError
 */
export function randomResizedCrops(operands: RandomCropOperands, options: RandomResizedCropOptions): Tensor {
  const where = 'random_resized_crops';
  const attrs = common(where, operands, options);
  const scale = ordered(where, 'scale', options.scale, 0, 1);
  const [low, high] = ordered(where, 'ratio', options.ratio, 0.001, 1000);
  const ratio = [Math.log(low), Math.log(high)] as const;
  return first(applyOp(resizedOp, inOrder(operands), { ...attrs, scale, ratio }));
}

function common(where: string, operands: unknown, options: unknown): Attrs {
  checkObject(where, 'operands', operands);
  checkObject(where, 'options', options);
  const { seed, place, size } = options as Common;
  return {
    key: streamKey(nonNegativeInteger(where, 'seed', seed), 'augment'),
    place: nonNegativeInteger(where, 'place', place),
    size: pair(where, 'size', size, 1),
  };
}

function ordered(where: string, name: string, value: unknown, least: number, most: number): Pair {
  const both: readonly unknown[] = Array.isArray(value) ? value : [];
  const [low, high] = both.map((bound) => finite(where, name, bound)) as [number, number];
  if (both.length === 2 && low >= least && low <= high && high <= most) return [low, high];
  throw new OptionError(`${where}: ${name} must be [low, high] from ${least} to ${most}, got ${show(value)}`);
}

function inOrder({ table, index, samples, occurrence, epoch }: RandomCropOperands): Tensor[] {
  return [table, index, samples, occurrence, epoch];
}
