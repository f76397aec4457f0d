/** Random numbers for each sample of a batch, whatever the batch it is in. */
import { applyOp, first, type OpRecord } from '../graph/op';
import { checkObject, nonNegativeInteger, positiveInteger } from '../options';
import { streamKey, type StreamKey } from '../random';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkPerImage, checkRank, checkScalar } from './checks';

/** What decides the random numbers of a sample. */
export interface SampleOperands {
  /** Which sample each is, i32 [B]. */
  readonly samples: Tensor;
  /** How often each came before in this epoch, i32 [B]. */
  readonly occurrence: Tensor;
  /** A runtime scalar. */
  readonly epoch: Tensor;
}

export interface SampleUniformOptions {
  readonly seed: number;
  /** The place of an augmentation in its list, from 1 to 4095. */
  readonly place: number;
  /** How many numbers each sample gets. */
  readonly count: number;
}

interface SampleUniformAttrs {
  readonly key: StreamKey;
  readonly place: number;
  readonly count: number;
}

const sampleUniformOp: OpRecord<SampleUniformAttrs> = {
  name: 'sample_uniform',
  bf16: 'f32',
  infer: ([samples, occurrence, epoch], { count }) => {
    checkDType('sample_uniform', 'samples', samples!, 'i32');
    checkRank('sample_uniform', 'samples', samples!, 1);
    checkPerImage('sample_uniform', 'occurrence', occurrence!, samples!);
    checkScalar('sample_uniform', 'epoch', epoch!);
    return [{ shape: [samples!.shape[0]!, count], dtype: 'f32' }];
  },
  lower: (l, { key, place }) => l.call('sample_uniform', l.inputs, l.outputs, { key, place }),
};

/**
 * Uniform numbers in [0, 1), f32 [B, count]: those of a sample are a function of (seed, epoch, sample,
 * occurrence, place). The stream of augmentations: lib/augment.
 */
export function sampleUniform(operands: SampleOperands, options: SampleUniformOptions): Tensor {
  const where = 'sample_uniform';
  checkObject(where, 'operands', operands);
  checkObject(where, 'options', options);
  const key = streamKey(nonNegativeInteger(where, 'seed', options.seed), 'augment');
  const place = positiveInteger(where, 'place', options.place);
  const count = positiveInteger(where, 'count', options.count);
  const { samples, occurrence, epoch } = operands;
  return first(applyOp(sampleUniformOp, [samples, occurrence, epoch], { key, place, count }));
}
