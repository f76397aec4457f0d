/** Mixing the samples of a batch with each other: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019). */
import { OptionError, ShapeError } from '../errors';
import { applyOp, type OpRecord } from '../graph/op';
import { checkList, checkObject, nonNegativeInteger, positiveInteger, probability } from '../options';
import { streamKey, type StreamKey } from '../random';
import { checkNumber } from '../settings';
import { formatShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank, checkScalar } from './checks';

/** A batch, and what decides the random numbers of each sample. */
export interface MixOperands {
  /** f32 [B, ...]; [B, C, H, W] for `cut`. */
  readonly inputs: Tensor;
  /** Class indices, i32 [B], or probabilities, f32 [B, K]. */
  readonly targets: Tensor;
  /** Which sample each row is, i32 [B]. */
  readonly samples: Tensor;
  /** How often each sample came before in this epoch, i32 [B]. */
  readonly occurrence: Tensor;
  /** A runtime scalar. */
  readonly epoch: Tensor;
  /** How much each sample counts in the loss, f32 [B]. Default: all the same. */
  readonly weights?: Tensor | undefined;
}

/** A batch whose samples are mixed. */
export interface MixedSamples {
  readonly inputs: Tensor;
  /** Probabilities, f32 [B, K]. */
  readonly targets: Tensor;
  /** f32 [B]; undefined where the samples had none. */
  readonly weights: Tensor | undefined;
}

/** A way of mixing. */
export interface MixChoice {
  /** A sample keeps a share drawn from Beta(alpha, alpha), alpha from 0.001 to 1000000. */
  readonly alpha: number;
  /** A window of the other sample replaces that of this one, instead of a weighted mean of both. */
  readonly cut: boolean;
  /** Probability that it happens where it is drawn. Default 1. */
  readonly p?: number;
  /** How likely it is drawn, compared with the others. Default 1. */
  readonly weight?: number;
}

export interface MixSamplesOptions {
  readonly seed: number;
  /** The place in the list of augmentations, from 1 to 4095. */
  readonly place: number;
  /** One of these is drawn for each sample. */
  readonly choices: readonly MixChoice[];
  /** Probability that anything happens to a sample. Default 1. */
  readonly p?: number;
  /** The number of classes, K. */
  readonly classes: number;
}

interface MixAttrs {
  readonly key: StreamKey;
  readonly place: number;
  readonly p: number;
  /** weight, p, alpha, cut of each. */
  readonly choices: readonly number[];
  readonly cuts: boolean;
  readonly classes: number;
}

/** What alpha may be, and the weight of a choice. */
export const MIX_ALPHA = { minimum: 1e-3, maximum: 1e6 } as const;
export const MIX_WEIGHT = { minimum: 0, maximum: 1e9 } as const;

const MOST_CHOICES = 64;

const where = 'mix_samples';
const checkPlace = checkNumber({ minimum: 1, maximum: 4095 });
const checkAlpha = checkNumber(MIX_ALPHA);
const checkWeight = checkNumber(MIX_WEIGHT);

function checkTargets(targets: Tensor, rows: number, classes: number): void {
  checkDType(where, 'targets', targets, 'i32', 'f32');
  const expected = targets.dtype === 'i32' ? [rows] : [rows, classes];
  if (formatShape(targets.shape) !== formatShape(expected))
    throw new ShapeError(
      `${where}: ${targets.dtype} targets must be ${formatShape(expected)}, got ${formatShape(targets.shape)}`,
    );
}

/** weight, p, alpha, cut of each. @throws OptionError */
function choicesOf(given: unknown): number[] {
  checkList(where, 'choices', given);
  if (given.length === 0 || given.length > MOST_CHOICES)
    throw new OptionError(`${where}: choices must be 1 to ${MOST_CHOICES}, got ${given.length}`);
  const choices = (given as readonly MixChoice[]).map((choice) => {
    checkObject(where, 'each of choices', choice);
    return [
      checkWeight(where, 'weight', choice.weight ?? 1),
      probability(where, 'p', choice.p ?? 1),
      checkAlpha(where, 'alpha', choice.alpha),
      choice.cut ? 1 : 0,
    ];
  });
  if (!choices.some(([weight]) => weight! > 0)) throw new OptionError(`${where}: all weights are 0`);
  return choices.flat();
}

const mixSamplesOp: OpRecord<MixAttrs> = {
  name: where,
  bf16: 'f32',
  infer: ([inputs, targets, samples, occurrence, epoch, weights], { cuts, classes }) => {
    checkDType(where, 'inputs', inputs!, 'f32');
    if (inputs!.rank < 1) throw new ShapeError(`${where}: inputs must be [B, ...], got a single number`);
    if (cuts) checkRank(where, 'inputs', inputs!, 4);
    const rows = inputs!.shape[0]!;
    checkTargets(targets!, rows, classes);
    for (const [name, t] of [
      ['samples', samples!],
      ['occurrence', occurrence!],
    ] as const) {
      checkDType(where, name, t, 'i32');
      if (t.rank !== 1 || t.shape[0] !== rows)
        throw new ShapeError(`${where}: ${name} must be [${rows}], got ${formatShape(t.shape)}`);
    }
    checkScalar(where, 'epoch', epoch!);
    if (weights !== undefined) {
      checkDType(where, 'weights', weights, 'f32');
      if (formatShape(weights.shape) !== formatShape([rows]))
        throw new ShapeError(`${where}: weights must be [${rows}], got ${formatShape(weights.shape)}`);
    }
    return [
      { shape: inputs!.shape, dtype: 'f32' },
      { shape: [rows, classes], dtype: 'f32' },
      ...(weights === undefined ? [] : [{ shape: [rows], dtype: 'f32' as const }]),
    ];
  },
  lower: (l, { key, place, p, choices }) => l.call(where, l.inputs, l.outputs, { key, place, p, choices }),
};

/**
 * Mixes each sample with the next one of the batch, and the last with the first, in one of the ways of
 * `choices`. The share l that a sample keeps is drawn from Beta(alpha, alpha). Without `cut` its inputs
 * become l x + (1 - l) x'; with `cut` a window of the share 1 - l is the other's, and l what the window
 * leaves. The targets become probabilities, f32 [B, K]: l for its own and 1 - l for the other's. What is
 * drawn is a function of (seed, place, epoch, sample, occurrence), whatever the batch. Inputs and targets are
 * constants: no gradient passes.
 *
 * With `weights` w of the samples, the mixture's is v = l w + (1 - l) w', and its targets are (l w t + (1 -
 * l) w' t') / v: v times its cross entropy is l w times that with t plus (1 - l) w' times that with t'.
 * @throws OptionError, ShapeError, DTypeError; a class index outside of [0, K) makes the run reject with a
 *   DataError
 */
export function mixSamples(operands: MixOperands, options: MixSamplesOptions): MixedSamples {
  checkObject(where, 'operands', operands);
  checkObject(where, 'options', options);
  const key = streamKey(nonNegativeInteger(where, 'seed', options.seed), 'augment');
  const place = checkPlace(where, 'place', positiveInteger(where, 'place', options.place));
  const p = probability(where, 'p', options.p ?? 1);
  const classes = positiveInteger(where, 'classes', options.classes);
  const choices = choicesOf(options.choices);
  const cuts = options.choices.some(({ cut }) => cut);
  const attrs = { key, place, p, choices, cuts, classes };
  const { inputs: x, targets: t, samples, occurrence, epoch, weights: w } = operands;
  const given = [x, t, samples, occurrence, epoch, ...(w === undefined ? [] : [w])];
  const [inputs, targets, weights] = applyOp(mixSamplesOp, given, attrs);
  return { inputs: inputs!, targets: targets!, weights };
}
