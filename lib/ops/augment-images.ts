/** Augmentation of u8 images: a program of operations that each image goes through by itself. */
import { applyOp, first, type OpRecord } from '../graph/op';
import { checkList, checkObject, finite, nonNegativeInteger } from '../options';
import { streamKey, type StreamKey } from '../random';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkPerImage, checkRank, checkScalar, pair } from './checks';

/** The images of a batch, and what decides the random numbers of each. */
export interface AugmentOperands {
  /** u8 [N, C, H, W]. */
  readonly data: Tensor;
  /** Rows of `data`, i32 [B]. */
  readonly index: Tensor;
  /** Which sample each image is, i32 [B]. */
  readonly samples: Tensor;
  /** How often each sample came before in this epoch, i32 [B]. */
  readonly occurrence: Tensor;
  /** A runtime scalar. */
  readonly epoch: Tensor;
}

export interface AugmentImagesOptions {
  readonly seed: number;
  /** The operations as numbers, in the form that native/augment/program.h describes. */
  readonly program: readonly number[];
  /** Height and width of the result. */
  readonly size: readonly [number, number];
}

interface AugmentImagesAttrs {
  readonly key: StreamKey;
  readonly program: readonly number[];
  readonly size: readonly [number, number];
}

const augmentImagesOp: OpRecord<AugmentImagesAttrs> = {
  name: 'augment_images',
  bf16: 'f32',
  infer: ([data, index, samples, occurrence, epoch], { size }) => {
    checkDType('augment_images', 'data', data!, 'u8');
    checkRank('augment_images', 'data', data!, 4);
    checkDType('augment_images', 'index', index!, 'i32');
    checkRank('augment_images', 'index', index!, 1);
    checkPerImage('augment_images', 'samples', samples!, index!);
    checkPerImage('augment_images', 'occurrence', occurrence!, index!);
    checkScalar('augment_images', 'epoch', epoch!);
    return [{ shape: [index!.shape[0]!, data!.shape[1]!, ...size], dtype: 'u8' }];
  },
  lower: (l, { key, program }) => l.call('augment_images', l.inputs, l.outputs, { key, program }),
};

/**
 * The images, u8 [B, C, ...size], after the operations of a program. What happens to an image is a function
 * of (seed, epoch, sample, occurrence), whatever the batch it is in. lib/augment writes the programs.
 */
export function augmentImages(operands: AugmentOperands, options: AugmentImagesOptions): Tensor {
  const where = 'augment_images';
  checkObject(where, 'operands', operands);
  checkObject(where, 'options', options);
  checkList(where, 'program', options.program);
  for (const part of options.program) finite(where, 'each number of the program', part);
  const key = streamKey(nonNegativeInteger(where, 'seed', options.seed), 'augment');
  const size = pair(where, 'size', options.size, 1);
  const { data, index, samples, occurrence, epoch } = operands;
  const attrs = { key, program: [...options.program], size };
  return first(applyOp(augmentImagesOp, [data, index, samples, occurrence, epoch], attrs));
}
