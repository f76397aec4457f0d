/**
 * An inverted residual's convolutions (Sandler et al. 2018) as one kernel: a 1x1 convolution that widens, a
 * depthwise one, and a 1x1 convolution that narrows, with their activations and the addition. The wide images
 * between them never reach memory. lib/compile/passes/fuse-inverted-residual.ts adds these ops to programs;
 * users cannot call them.
 */
import { OptionError } from '../errors';
import type { Activation } from '../graph/facts';
import type { OpRecord } from '../graph/op';
import type { Shape } from '../tensor/shape';
import type { TensorType } from '../tensor/tensor';
import { geometryAttrs, type ConvGeometry } from './conv2d';

/** Columns of a panel of weights: native/kernels/pack_panels.cc. */
const COLUMNS = 32;

/** In bf16, K is padded to a multiple of this. */
const DEPTH = 32;

/** What `packWeightsOp` makes of weight [N, K, 1, 1]. */
function panelsOf([n, k]: Shape, dtype: Stored): TensorType {
  const depth = dtype === 'bf16' ? Math.ceil(k! / DEPTH) * DEPTH : k!;
  return { shape: [Math.ceil(n! / COLUMNS), depth, COLUMNS], dtype };
}

/** How images are stored. */
export type Stored = 'f32' | 'bf16';

/**
 * (wide [E, C, 1, 1]), filters [E, 1, kH, kW], narrow [O, E, 1, 1] -> the same as the kernel reads them. They
 * depend on parameters alone, so a program for predictions computes them once.
 */
export const packWeightsOp: OpRecord<Stored> = {
  name: 'pack_inverted_residual',
  bf16: 'f32',
  infer: (weights, stored) =>
    packedTypes(
      weights.map(({ shape }) => shape),
      stored,
    ),
  lower: (l, stored) => {
    const pack = stored === 'bf16' ? 'pack_panels_bf16' : 'pack_panels';
    l.inputs.forEach((weight, i) => {
      const packed = l.outputs[i]!;
      const [rows, ...depth] = weight.dims as [number, ...number[]];
      if (i !== l.inputs.length - 2) return l.call(pack, [weight], [packed]);
      const filters = l.view(weight, [rows, depth.reduce((a, b) => a * b, 1)]);
      return l.call('permute', [filters], [packed], { axes: [1, 0] });
    });
  },
};

/** The types of what `packWeightsOp` returns for weights of these shapes and images of this dtype. */
export function packedTypes(weights: readonly Shape[], stored: Stored): TensorType[] {
  return weights.map((shape, i) => {
    if (i !== weights.length - 2) return panelsOf(shape, stored);
    const [rows, , kh, kw] = shape as readonly [number, number, number, number];
    return { shape: [kh * kw, rows], dtype: 'f32' };
  });
}

export interface InvertedResidualAttrs {
  /** The depthwise convolution. */
  readonly geometry: ConvGeometry;
  readonly kernel: readonly [height: number, width: number];
  /** Behind the convolution that widens; undefined where there is none. */
  readonly expandActivation: Activation | 0 | undefined;
  readonly depthwiseActivation: Activation | 0;
}

/** x, (wide, bias), filters, bias, narrow, bias, (residual) -> y; weights as `packWeightsOp` returns them. */
export const invertedResidualOp: OpRecord<InvertedResidualAttrs> = {
  name: 'inverted_residual',
  bf16: 'f32',
  infer: () => {
    throw new OptionError('inverted_residual: only passes make it');
  },
  lower: (l, { geometry, kernel, expandActivation, depthwiseActivation }) => {
    const { activation, residual: hasResidual } = l.fused;
    const { algorithm: _, ...steps } = geometryAttrs(geometry);
    l.call(l.forOperands('inverted_residual'), l.inputs, l.outputs, {
      ...steps,
      kernel,
      hasExpansion: expandActivation !== undefined,
      hasResidual,
      expandActivation: expandActivation ?? 0,
      depthwiseActivation,
      activation,
    });
  },
};
