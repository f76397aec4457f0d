/**
 * Fractional max pooling (Graham 2014, arXiv:1412.6071) makes the output smaller than the input by any
 * factor. It pools over regions of two sizes, whose order is drawn. A factor of sqrt(2) or less loses less at
 * a time than 2x2 pooling.
 */
import { OptionError, ShapeError } from '../errors';
import { firstAlike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import type { KernelAttrs } from '../native';
import { oneOf, show } from '../options';
import { bool, declareSettings, kind, oneOf as choice, type OptionsOf, type ValuesOf } from '../settings';
import { formatShape, type Shape } from '../tensor/shape';
import { runtimeScalar, type Tensor } from '../tensor/tensor';
import { checkDType, checkRank, checkScalar, pair, pairFrom, type Pair } from './checks';
import { nextDraws, type DrawAttrs } from './draws';

/**
 * What a region is. 'disjoint': the regions tile the input. 'overlapping': each region also covers the first
 * row and column of the next. Numbers: windows of that height and width, like PyTorch's kernel_size; if they
 * are smaller than the steps between them, they skip some of the input.
 */
export type FractionalKernel = 'disjoint' | 'overlapping' | Pair;

/** A part of each of height and width. */
const ratio = kind<readonly [number, number], Pair>({
  check: (where, name, value) => {
    const both: readonly unknown[] = Array.isArray(value) ? (value as unknown[]) : [value, value];
    const valid = (v: unknown): v is number => typeof v === 'number' && v > 0 && v < 1;
    const [height, width] = both;
    if (both.length !== 2 || !valid(height) || !valid(width))
      throw new OptionError(
        `${where}: ${name} must be a number above 0 and below 1, or two of them, got ${show(value)}`,
      );
    return [height, width];
  },
  domain: {
    type: 'tuple',
    parts: {
      height: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
      width: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
    },
  },
});

/** A setting that is a FractionalKernel. */
export const fractionalKernel = kind<
  'disjoint' | 'overlapping' | readonly [number, number],
  FractionalKernel
>({
  check: (where, name, value) =>
    typeof value === 'string'
      ? oneOf(where, name, value, ['disjoint', 'overlapping'])
      : pair(where, name, value, 1),
  domain: { type: 'other' },
});

export const fractionalSettings = declareSettings({
  outputSize: pairFrom(1)('Height and width of the output. Either this or `outputRatio`.', {
    optional: true,
    sparse: true,
  }),
  outputRatio: ratio(
    "Height and width of the output as shares of the input's, above 0 and below 1, rounded down.",
    { optional: true, sparse: true },
  ),
  sequence: choice(['pseudorandom', 'random'])(
    "Order of the steps between regions, which are floor(a) and ceil(a) for a = input / output. 'pseudorandom', PyTorch's: step i is floor(a (i + 1 + u)) - floor(a (i + u)), u drawn from [0, 1). 'random': every order is as likely.",
    { default: 'pseudorandom' },
  ),
});

/** The size of the output, in one form or the other. */
type OutputSize = Pick<ValuesOf<typeof fractionalSettings>, 'outputSize' | 'outputRatio'>;

/** @throws OptionError unless exactly one of them is given */
export function checkOutput(where: string, { outputSize, outputRatio }: OutputSize): void {
  if ((outputSize === undefined) === (outputRatio === undefined))
    throw new OptionError(`${where}: expects either outputSize or outputRatio`);
}

const regionsOf = fractionalKernel('What a region is.');

const opSettings = declareSettings({
  ...fractionalSettings.declared,
  draw: bool('Whether regions are drawn, as in training.', { default: true }),
});

export type FractionalMaxPool2dOptions = OptionsOf<typeof opSettings>;

interface Regions {
  /** 'middle' draws nothing: it is the pseudorandom sequence with u = 1/2. */
  readonly sequence: 'middle' | 'pseudorandom' | 'random';
  readonly kernel: 'disjoint' | 'overlapping' | readonly [number, number];
  readonly outputSize: readonly [number, number];
  /** The shape of x. */
  readonly shape: Shape;
}

type Attrs = DrawAttrs & Regions;

const NAME = 'fractional_max_pool2d';

/** The steps of the sequence along one axis, and their sum, as in native/base/fractional_geom.cc. */
function stepsOf({ kernel, outputSize, shape }: Regions, axis: 0 | 1): { steps: number; total: number } {
  const [input, output] = [shape[2 + axis]!, outputSize[axis]];
  if (kernel === 'disjoint') return { steps: output, total: input };
  if (kernel === 'overlapping') return { steps: output, total: input - 1 };
  return { steps: output - 1, total: input - kernel[axis] };
}

/** The largest extent of a region along an axis. */
function largest(attrs: Attrs, axis: 0 | 1): number {
  if (typeof attrs.kernel !== 'string') return attrs.kernel[axis];
  const { steps, total } = stepsOf(attrs, axis);
  return Math.ceil(total / steps) + Number(attrs.kernel === 'overlapping');
}

function checkRegions(attrs: Attrs): void {
  for (const axis of [0, 1] as const) {
    const { steps, total } = stepsOf(attrs, axis);
    if (total < steps || attrs.shape[2 + axis]! < 1) {
      const kernel = typeof attrs.kernel === 'string' ? attrs.kernel : formatShape(attrs.kernel);
      throw new ShapeError(
        `${NAME}: an output of ${formatShape(attrs.outputSize)} with ${kernel} regions does not fit into x ${formatShape(attrs.shape)}`,
      );
    }
  }
}

const sequences = ['middle', 'pseudorandom', 'random'];
const forms = ['disjoint', 'overlapping', 'windows'];

function kernelAttrs({ key, ordinal, perExample, sequence, kernel }: Attrs): KernelAttrs {
  const [form, window] = typeof kernel === 'string' ? [kernel, [0, 0]] : ['windows', kernel];
  return {
    key,
    ordinal,
    perExample,
    sequence: sequences.indexOf(sequence),
    form: forms.indexOf(form),
    kernel: window,
  };
}

const poolOp: OpRecord<Attrs> = {
  name: NAME,
  bf16: firstAlike,
  infer: ([x, step, example], attrs) => {
    checkDType(NAME, 'x', x!, 'f32');
    checkRank(NAME, 'x', x!, 4);
    checkScalar(NAME, 'step', step!);
    checkScalar(NAME, 'example', example!);
    checkRegions(attrs);
    const shape = [x!.shape[0]!, x!.shape[1]!, ...attrs.outputSize];
    return [
      { shape, dtype: 'f32' },
      { shape, dtype: largest(attrs, 0) * largest(attrs, 1) <= 256 ? 'u8' : 'i32' },
    ];
  },
  // The regions are a function of their counter, so the backward pass draws them again.
  grad: ({ inputs: [, step, example], outputs, grads, attrs }) => [
    first(applyOp(backwardOp, [grads[0]!, outputs[1]!, step!, example!], attrs)),
    null,
    null,
  ],
  lower: (l, attrs) => l.call(NAME, l.inputs, l.outputs, kernelAttrs(attrs)),
};

const backwardOp: OpRecord<Attrs> = {
  name: `${NAME}_backward`,
  bf16: firstAlike,
  infer: (_, { shape }) => [{ shape, dtype: 'f32' }],
  lower: (l, attrs) => l.call(`${NAME}_backward`, l.inputs, l.outputs, kernelAttrs(attrs)),
};

const none = runtimeScalar(() => 0);
const noDraws = { key: [0, 0], ordinal: 0, perExample: 0 } as const;

/** Random words of one example, as native/base/fractional_geom.h counts them. */
function wordsOf(attrs: Regions): number {
  if (attrs.sequence === 'pseudorandom') return 2;
  return stepsOf(attrs, 0).steps + stepsOf(attrs, 1).steps;
}

function outputSizeOf({ outputSize, outputRatio }: OutputSize, x: Tensor): [number, number] {
  if (outputSize !== undefined) return [...outputSize];
  const [height, width] = outputRatio!;
  const size: [number, number] = [Math.floor(x.shape[2]! * height), Math.floor(x.shape[3]! * width)];
  if (size[0] < 1 || size[1] < 1)
    throw new ShapeError(
      `${NAME}: outputRatio ${formatShape(outputRatio!)} leaves nothing of x ${formatShape(x.shape)}`,
    );
  return size;
}

/**
 * Largest element of each region of x [N, C, H, W]; the first of equal ones. Each example has its own
 * regions, which all its channels share (PyTorch draws them for each channel). With `draw` (the default)
 * regions are a function of seed, layer, call, step and example. Without, they follow the pseudorandom
 * sequence with u = 1/2, whatever `sequence` says.
 * @throws OptionError, ShapeError, DTypeError
 */
export function fractionalMaxPool2d(
  x: Tensor,
  kernel: FractionalKernel,
  options: FractionalMaxPool2dOptions,
): Tensor {
  checkRank(NAME, 'x', x, 4);
  const { draw, sequence, ...size } = opSettings.read(NAME, options);
  checkOutput(NAME, size);
  const regions = regionsOf.check(NAME, 'kernel', kernel);
  const geometry = { kernel: regions, outputSize: outputSizeOf(size, x), shape: x.shape };
  if (!draw) return first(applyOp(poolOp, [x, none, none], { ...noDraws, sequence: 'middle', ...geometry }));
  const { attrs, scalars } = nextDraws(NAME, x.shape[0]! * wordsOf({ sequence, ...geometry }));
  return first(applyOp(poolOp, [x, ...scalars], { ...attrs, sequence, ...geometry }));
}
