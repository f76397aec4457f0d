/**
 * Fractional max pooling (Graham 2014, "Fractional max-pooling", arXiv:1412.6071): the output is smaller than
 * the input by any factor, which regions of two sizes, in an order that is drawn, make possible. Factors of
 * sqrt(2) or less lose less at a time than 2x2 pooling.
 */
import { OptionError, ShapeError } from '../errors';
import { firstAlike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import { currentScope, currentTrace } from '../graph/trace';
import type { KernelAttrs } from '../native';
import { checkObject, bool, checkKeys, oneOf, show } from '../options';
import { defaultRandom, streamKey, type StreamKey } from '../random';
import { formatShape, type Shape } from '../tensor/shape';
import { runtimeScalar, type Tensor } from '../tensor/tensor';
import { checkDType, checkRank, checkScalar, pair, type Pair } from './checks';

/**
 * What a region is. 'disjoint': the regions tile the input. 'overlapping': each takes in the first row and
 * column of the next. Numbers: windows of that height and width, as PyTorch's kernel_size; when they are
 * smaller than the steps between them they leave some of the input out.
 */
export type FractionalKernel = 'disjoint' | 'overlapping' | Pair;

export interface FractionalMaxPool2dOptions {
  /** Height and width of the output. Either this or `outputRatio`. */
  readonly outputSize?: Pair;
  /** Height and width of the output as shares of the input's, above 0 and below 1, rounded down. */
  readonly outputRatio?: Pair;
  /**
   * Order of the steps between regions, which are floor(a) and ceil(a) for a = input / output. 'pseudorandom'
   * (default, and PyTorch's): step i is floor(a (i + 1 + u)) - floor(a (i + u)), u drawn from [0, 1).
   * 'random': every order is as likely.
   */
  readonly sequence?: 'pseudorandom' | 'random';
}

/** The same, checked: `kernel` and the output's size as pairs. */
export interface FractionalSettings {
  readonly kernel: 'disjoint' | 'overlapping' | readonly [number, number];
  readonly outputSize?: readonly [number, number];
  readonly outputRatio?: readonly [number, number];
  readonly sequence: 'pseudorandom' | 'random';
}

function ratios(where: string, value: unknown): [number, number] {
  const both: readonly unknown[] = Array.isArray(value) ? (value as unknown[]) : [value, value];
  const valid = (v: unknown): v is number => typeof v === 'number' && v > 0 && v < 1;
  const [height, width] = both;
  if (both.length !== 2 || !valid(height) || !valid(width))
    throw new OptionError(
      `${where}: outputRatio must be a number above 0 and below 1, or two of them, got ${show(value)}`,
    );
  return [height, width];
}

/** @throws OptionError, ShapeError */
export function fractionalSettings(
  where: string,
  kernel: FractionalKernel,
  options: FractionalMaxPool2dOptions,
): FractionalSettings {
  checkObject(where, 'options', options);
  checkKeys(where, options, ['outputSize', 'outputRatio', 'sequence']);
  const { outputSize, outputRatio, sequence = 'pseudorandom' } = options;
  if ((outputSize === undefined) === (outputRatio === undefined))
    throw new OptionError(`${where}: expects either outputSize or outputRatio`);
  return {
    kernel:
      typeof kernel === 'string'
        ? oneOf(where, 'kernel', kernel, ['disjoint', 'overlapping'])
        : pair(where, 'kernel', kernel, 1),
    ...(outputSize !== undefined && { outputSize: pair(where, 'outputSize', outputSize, 1) }),
    ...(outputRatio !== undefined && { outputRatio: ratios(where, outputRatio) }),
    sequence: oneOf(where, 'sequence', sequence, ['pseudorandom', 'random']),
  };
}

interface Attrs {
  readonly key: StreamKey;
  readonly ordinal: number;
  /** 'middle' draws nothing: pseudorandom with u = 1/2. */
  readonly sequence: 'middle' | 'pseudorandom' | 'random';
  readonly kernel: FractionalSettings['kernel'];
  readonly outputSize: readonly [number, number];
  /** Of x. */
  readonly shape: Shape;
}

const NAME = 'fractional_max_pool2d';

/** Steps of the sequence and what they add up to, of one axis. As native/base/fractional_geom.cc. */
function stepsOf({ kernel, outputSize, shape }: Attrs, axis: 0 | 1): { steps: number; total: number } {
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

function kernelAttrs({ key, ordinal, sequence, kernel }: Attrs): KernelAttrs {
  const [form, window] = typeof kernel === 'string' ? [kernel, [0, 0]] : ['windows', kernel];
  return {
    key,
    ordinal,
    sequence: sequences.indexOf(sequence),
    form: forms.indexOf(form),
    kernel: window,
  };
}

const poolOp: OpRecord<Attrs> = {
  name: NAME,
  bf16: firstAlike,
  infer: ([x, step], attrs) => {
    checkDType(NAME, 'x', x!, 'f32');
    checkRank(NAME, 'x', x!, 4);
    checkScalar(NAME, 'step', step!);
    checkRegions(attrs);
    const shape = [x!.shape[0]!, x!.shape[1]!, ...attrs.outputSize];
    return [
      { shape, dtype: 'f32' },
      { shape, dtype: largest(attrs, 0) * largest(attrs, 1) <= 256 ? 'u8' : 'i32' },
    ];
  },
  // The regions are a function of their counter: the backward pass draws them again.
  grad: ({ inputs: [, step], outputs, grads, attrs }) => [
    first(applyOp(backwardOp, [grads[0]!, outputs[1]!, step!], attrs)),
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

const noStep = runtimeScalar(() => 0);

function outputSizeOf({ outputSize, outputRatio }: FractionalSettings, x: Tensor): [number, number] {
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
 * Largest element of each region of x [N, C, H, W]; the first wins ties. Each example has regions of its own,
 * the same for all its channels (PyTorch draws them for each channel apart). With `draw` (default true) they
 * are a function of (seed, layer, call, step, example); without, they are those of the pseudorandom sequence
 * with u = 1/2, whatever `sequence` says.
 * @throws OptionError, ShapeError, DTypeError
 */
export function fractionalMaxPool2d(
  x: Tensor,
  kernel: FractionalKernel,
  options: FractionalMaxPool2dOptions & { readonly draw?: boolean },
): Tensor {
  checkObject(NAME, 'options', options);
  checkKeys(NAME, options, ['outputSize', 'outputRatio', 'sequence', 'draw']);
  checkRank(NAME, 'x', x, 4);
  const { draw = true, ...rest } = options;
  const settings = fractionalSettings(NAME, kernel, rest);
  const geometry = { kernel: settings.kernel, outputSize: outputSizeOf(settings, x), shape: x.shape };
  if (!bool(NAME, 'draw', draw))
    return first(applyOp(poolOp, [x, noStep], { key: [0, 0], ordinal: 0, sequence: 'middle', ...geometry }));
  const trace = currentTrace();
  const random = trace?.random ?? defaultRandom;
  const stream = `${currentScope()}/${NAME}`;
  const ordinal = trace?.nextOrdinal(stream) ?? 0;
  if (trace !== undefined) trace.usesRandom = true;
  const { sequence } = settings;
  const attrs = { key: streamKey(random.seed, stream), ordinal, sequence, ...geometry };
  return first(applyOp(poolOp, [x, random.stepScalar], attrs));
}
