/**
 * Normalization of each sample by itself, the same in training and evaluation: y = gamma (x - mean) /
 * sqrt(var + eps) + beta, with the mean and biased variance of a part of the sample. For layer norm (Ba,
 * Kiros, Hinton 2016) the part is all of its last axes, for instance norm (Ulyanov, Vedaldi, Lempitsky 2016)
 * one channel, for group norm (Wu and He 2018) a group of channels. One kernel computes all three.
 */
import { ShapeError } from '../errors';
import { firstAlike, savedAlike } from '../graph/facts';
import { applyOp, type OpRecord } from '../graph/op';
import type { Lowering, Operand } from '../graph/lowering';
import type { KernelAttrs } from '../native';
import { checkKeys, positive, positiveInteger } from '../options';
import { checkShape, formatShape, numel, physicalDims, sameShape, type Shape } from '../tensor/shape';
import { checkTensor, type Tensor, type TensorType } from '../tensor/tensor';
import type { BatchNormResult } from './batch-norm';
import { checkDType, checkRank } from './checks';
import { full, ones } from './create';
import { reshape } from './shape-ops';

interface GroupAttrs {
  readonly groups: number;
  readonly eps: number;
  readonly affine: boolean;
  /** The dims that the kernel works with, [N, positions..., C]: x as it lies in memory. */
  readonly dims: Shape;
}

function kernelAttrs({ groups, eps, affine }: GroupAttrs): KernelAttrs {
  return { groups, eps, affine };
}

/** gamma, beta and their gradients have one value per channel, whatever their shape. */
function flat(l: Lowering, operands: readonly Operand[]): Operand[] {
  return operands.map((operand) => l.view(operand, [numel(operand.dims)]));
}

const backwardOp: OpRecord<GroupAttrs> = {
  name: 'group_norm_backward',
  bf16: savedAlike,
  infer: ([, x, gamma], { affine }) => {
    const types: TensorType[] = [{ shape: x!.shape, dtype: 'f32' }];
    const parameter: TensorType = { shape: gamma!.shape, dtype: 'f32' };
    return affine ? [...types, parameter, parameter] : types;
  },
  lower: (l, attrs) => {
    const [[dy, x, ...rest], [dx, ...parameters]] = [l.inputs, l.outputs];
    const [gamma, [mean, variance]] = attrs.affine ? [[rest[0]!], rest.slice(1)] : [[], rest];
    const inputs = [dy!, x!].map((operand) => l.view(operand, attrs.dims));
    l.call(
      'group_norm_backward',
      [...inputs, ...flat(l, gamma), mean!, variance!],
      [l.view(dx!, attrs.dims), ...flat(l, parameters)],
      kernelAttrs(attrs),
      [0],
    );
  },
};

const groupNormOp: OpRecord<GroupAttrs> = {
  name: 'group_norm',
  bf16: firstAlike,
  infer: ([x], { groups, dims }) => {
    const statistic: TensorType = { shape: [dims[0]!, groups], dtype: 'f32' };
    return [{ shape: x!.shape, dtype: 'f32' }, statistic, statistic];
  },
  grad: ({ inputs, outputs: [, mean, variance], grads: [dy], attrs }) => {
    if (dy === null) return inputs.map(() => null);
    const [x, gamma] = inputs;
    return applyOp(backwardOp, [dy!, x!, ...(attrs.affine ? [gamma!] : []), mean!, variance!], attrs);
  },
  lower: (l, attrs) => {
    const [[x, ...parameters], [y, mean, variance]] = [l.inputs, l.outputs];
    const outputs = [l.view(y!, attrs.dims), mean!, variance!];
    l.call('group_norm', [l.view(x!, attrs.dims), ...flat(l, parameters)], outputs, kernelAttrs(attrs), [0]);
  },
};

/** Scale and shift of a normalization. Missing ones are ones and zeros. */
export interface NormOptions {
  readonly gamma?: Tensor | undefined;
  readonly beta?: Tensor | undefined;
  /** Added to the variance, above 0. Default 1e-5. */
  readonly eps?: number;
}

/**
 * `parameters` is the shape of gamma and beta; `stored` is the shape in which they lie in memory as x does.
 */
interface Plan {
  readonly where: string;
  readonly groups: number;
  readonly dims: Shape;
  readonly parameters: Shape;
  readonly stored: Shape;
}

function normalize(x: Tensor, options: NormOptions, plan: Plan): BatchNormResult {
  const { where, groups, dims, parameters, stored } = plan;
  checkKeys(where, options, ['gamma', 'beta', 'eps']);
  const eps = positive(where, 'eps', options.eps ?? 1e-5);
  checkDType(where, 'x', x, 'f32');
  if (numel(dims.slice(1)) === 0)
    throw new ShapeError(`${where}: there are no values to normalize in x ${formatShape(x.shape)}`);
  for (const [name, t] of [['gamma', options.gamma] as const, ['beta', options.beta] as const]) {
    if (t === undefined) continue;
    checkDType(where, name, t, 'f32');
    if (!sameShape(t.shape, parameters))
      throw new ShapeError(
        `${where}: ${name} must be ${formatShape(parameters)} for x ${formatShape(x.shape)}, got ${formatShape(t.shape)}`,
      );
  }
  const affine = options.gamma !== undefined || options.beta !== undefined;
  const gamma = reshape(options.gamma ?? ones(parameters), stored);
  const beta = reshape(options.beta ?? full(parameters, 0), stored);
  const inputs = affine ? [x, gamma, beta] : [x];
  const [y, mean, variance] = applyOp(groupNormOp, inputs, { groups, eps, affine, dims });
  return { y: y!, mean: mean!, variance: variance! };
}

/**
 * Like `groupNorm`, but also returns the mean and the biased variance of each group of each sample, [N,
 * groups]. They are constants: gradients do not flow through them.
 */
export function groupNormStatistics(x: Tensor, groups: number, options: NormOptions = {}): BatchNormResult {
  const where = 'group_norm';
  checkRank(where, 'x', x, 2, 3, 4);
  positiveInteger(where, 'groups', groups);
  const [samples, channels, ...positions] = x.shape as [number, number, ...number[]];
  if (channels % groups !== 0)
    throw new ShapeError(`${where}: ${channels} channels cannot be split into ${groups} groups`);
  // Only a tensor of rank 4 has its channels innermost.
  const image = x.rank === 3 ? reshape(x, [samples, channels, ...positions, 1]) : x;
  const parameters = [channels];
  const dims = physicalDims(image.shape);
  const result = normalize(image, options, { where, groups, dims, parameters, stored: parameters });
  return { ...result, y: reshape(result.y, x.shape) };
}

/**
 * Group normalization (Wu and He 2018) of x [N, C], [N, C, L] or [N, C, H, W], over C / groups channels and
 * all positions of one sample. gamma, beta: [C]. Where all values are equal, the result is beta.
 * @throws ShapeError if groups does not divide C; OptionError
 */
export function groupNorm(x: Tensor, groups: number, options: NormOptions = {}): Tensor {
  return groupNormStatistics(x, groups, options).y;
}

/**
 * Instance normalization (Ulyanov, Vedaldi, Lempitsky 2016) of x [N, C, L] or [N, C, H, W], over the
 * positions of one channel of one sample. gamma, beta: [C].
 * @throws ShapeError on one position per channel, as PyTorch does; OptionError
 */
export function instanceNorm(x: Tensor, options: NormOptions = {}): Tensor {
  return instanceNormStatistics(x, options).y;
}

/**
 * Like `instanceNorm`, but also returns the mean and the biased variance of each channel of each sample, [N,
 * C]. They are constants: gradients do not flow through them.
 */
export function instanceNormStatistics(x: Tensor, options: NormOptions = {}): BatchNormResult {
  checkRank('instance_norm', 'x', x, 3, 4);
  if (numel(x.shape.slice(2)) < 2)
    throw new ShapeError(
      `instance_norm: needs more than one value per channel of a sample, x is ${formatShape(x.shape)}`,
    );
  return groupNormStatistics(x, x.shape[1]!, options);
}

/**
 * The shape in which gamma and beta of `shape` lie in memory as the last axes of x do. Channels are innermost
 * only at rank 4.
 */
function storedAs(rank: number, lead: number, shape: Shape): Shape {
  if (rank === 4) return [...Array<number>(lead).fill(1), ...shape];
  return shape.length === 4 ? [numel(shape)] : shape;
}

/**
 * Layer normalization (Ba, Kiros, Hinton 2016) over the last axes of x, which are `shape` long: [D] of
 * [N, T, D], or [C, H, W] of [N, C, H, W]. gamma, beta: of that shape. Where all values are equal, the
 * result is beta.
 * @throws ShapeError unless x ends in `shape`; OptionError
 */
export function layerNorm(x: Tensor, shape: Shape, options: NormOptions = {}): Tensor {
  const where = 'layer_norm';
  checkTensor(where, 'x', x);
  checkShape(where, shape);
  const lead = x.rank - shape.length;
  if (shape.length === 0 || lead < 0 || !sameShape(x.shape.slice(lead), shape))
    throw new ShapeError(`${where}: x must end in ${formatShape(shape)}, got ${formatShape(x.shape)}`);
  const [samples, size] = [numel(x.shape.slice(0, lead)), numel(shape)];
  const dims = [samples, size];
  const plan = { where, groups: 1, dims, parameters: shape };
  // The last axes are contiguous in memory, except the last one or two of an image.
  if (x.rank !== 4 || lead < 2) {
    const stored = storedAs(x.rank, lead, shape);
    return normalize(x, options, { ...plan, stored }).y;
  }
  const { y } = normalize(reshape(x, dims), options, { ...plan, stored: [size] });
  return reshape(y, x.shape);
}

/**
 * Weight standardization (Qiao et al. 2019): each output's weights, w [O, ...], minus their mean, divided by
 * sqrt(their biased variance + eps).
 * @throws ShapeError, OptionError
 */
export function standardizeWeights(w: Tensor, eps = 1e-5): Tensor {
  checkTensor('layer_norm', 'w', w);
  return layerNorm(w, w.shape.slice(1), { eps });
}
