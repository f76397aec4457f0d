import { OptionError, ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { withTarget } from '../../lib/tensor/target';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { expectClose, numbers, testOp, type Numbers, type OpCase } from './support';

interface Size {
  readonly n: number;
  readonly c: number;
  readonly h: number;
  readonly w: number;
  readonly o: number;
  readonly kernel: readonly [number, number];
  readonly stride?: readonly [number, number];
  readonly padding?: readonly [number, number] | readonly [number, number, number, number];
  readonly dilation?: readonly [number, number];
  readonly groups?: number;
}

/** The definition, straight from the formula in lib/ops/conv2d.ts. */
function naive(s: Size): (x: Numbers, w: Numbers, b: Numbers | undefined) => Numbers {
  const {
    n,
    c,
    h,
    w: width,
    o,
    kernel: [kh, kw],
    stride: [sh, sw] = [1, 1],
    padding = [0, 0],
    dilation: [dh, dw] = [1, 1],
    groups = 1,
  } = s;
  const [ph, bottom, pw, right] =
    padding.length === 4 ? padding : [padding[0], padding[0], padding[1], padding[1]];
  const oh = Math.floor((h + ph + bottom - dh * (kh - 1) - 1) / sh) + 1;
  const ow = Math.floor((width + pw + right - dw * (kw - 1) - 1) / sw) + 1;
  const ci = c / groups;
  return (x, weight, bias) => {
    const y = new Float64Array(n * o * oh * ow);
    for (let z = 0; z < n; z++)
      for (let k = 0; k < o; k++)
        for (let i = 0; i < oh; i++)
          for (let j = 0; j < ow; j++) {
            let total = bias?.[k] ?? 0;
            for (let q = 0; q < ci; q++)
              for (let r = 0; r < kh; r++)
                for (let t = 0; t < kw; t++) {
                  const [row, column] = [i * sh - ph + r * dh, j * sw - pw + t * dw];
                  if (row < 0 || row >= h || column < 0 || column >= width) continue;
                  const channel = Math.floor(k / (o / groups)) * ci + q;
                  total +=
                    x[((z * c + channel) * h + row) * width + column]! *
                    weight[((k * ci + q) * kh + r) * kw + t]!;
                }
            y[((z * o + k) * oh + i) * ow + j] = total;
          }
    return y;
  };
}

function options(s: Size): ops.Conv2dOptions {
  const { stride, padding, dilation, groups } = s;
  return {
    ...(stride && { stride }),
    ...(padding && { padding }),
    ...(dilation && { dilation }),
    ...(groups && { groups }),
  };
}

function convCase(s: Size, algorithm: ops.Conv2dOptions['algorithm'] = 'auto'): OpCase {
  const reference = naive(s);
  return {
    args: [
      { shape: [s.n, s.c, s.h, s.w] },
      { shape: [s.o, s.c / (s.groups ?? 1), ...s.kernel] },
      { shape: [s.o] },
    ],
    fn: (x, w, b) => ops.conv2d(x, w, b, { ...options(s), algorithm }),
    reference: (x, w, b) => reference(x, w, b),
  };
}

const sizes: Record<string, Size> = {
  '3x3 padded': { n: 2, c: 3, h: 5, w: 6, o: 4, kernel: [3, 3], padding: [1, 1] },
  '3x3 stride 2': { n: 1, c: 4, h: 7, w: 8, o: 3, kernel: [3, 3], stride: [2, 2], padding: [1, 1] },
  '1x1 stride 2': { n: 2, c: 5, h: 5, w: 5, o: 3, kernel: [1, 1], stride: [2, 2] },
  '5x3 uneven steps': { n: 1, c: 2, h: 9, w: 7, o: 2, kernel: [5, 3], stride: [2, 1], padding: [2, 0] },
  dilated: { n: 1, c: 2, h: 8, w: 8, o: 3, kernel: [3, 3], padding: [2, 2], dilation: [2, 2] },
  grouped: { n: 2, c: 4, h: 5, w: 5, o: 6, kernel: [3, 3], padding: [1, 1], groups: 2 },
  depthwise: { n: 1, c: 5, h: 5, w: 4, o: 5, kernel: [3, 3], padding: [1, 1], groups: 5 },
  'padded below and on the right': {
    n: 2,
    c: 3,
    h: 6,
    w: 8,
    o: 4,
    kernel: [3, 3],
    stride: [2, 2],
    padding: [0, 1, 0, 1],
  },
  'four paddings, depthwise': {
    n: 1,
    c: 5,
    h: 7,
    w: 6,
    o: 5,
    kernel: [5, 3],
    stride: [2, 1],
    padding: [1, 2, 2, 0],
    groups: 5,
  },
  '1x1 padded on one side': { n: 2, c: 5, h: 4, w: 5, o: 3, kernel: [1, 1], padding: [0, 1, 0, 0] },
  'kernel as large as the image': { n: 3, c: 2, h: 4, w: 4, o: 5, kernel: [4, 4] },
  'stride beyond the kernel': { n: 1, c: 2, h: 7, w: 7, o: 2, kernel: [2, 2], stride: [3, 3] },
  'dilated, strided, padded, grouped': {
    n: 1,
    c: 4,
    h: 9,
    w: 8,
    o: 2,
    kernel: [3, 2],
    stride: [2, 3],
    padding: [2, 1],
    dilation: [2, 3],
    groups: 2,
  },
};

testOp('conv2d', Object.fromEntries(Object.entries(sizes).map(([name, s]) => [name, convCase(s)])));
testOp(
  'conv2d by im2col',
  Object.fromEntries(Object.entries(sizes).map(([name, s]) => [name, convCase(s, 'im2col')])),
);

/**
 * Sizes around the vector and tile widths, where edges go wrong; forward and both gradients, native against
 * the reference target.
 */
const wide: Record<string, Size> = {
  'resnet20 first': { n: 2, c: 3, h: 32, w: 32, o: 16, kernel: [3, 3], padding: [1, 1] },
  'resnet20 stage 1': { n: 2, c: 16, h: 32, w: 32, o: 16, kernel: [3, 3], padding: [1, 1] },
  'resnet20 down': { n: 2, c: 16, h: 32, w: 32, o: 32, kernel: [3, 3], stride: [2, 2], padding: [1, 1] },
  'resnet20 shortcut': { n: 2, c: 32, h: 16, w: 16, o: 64, kernel: [1, 1], stride: [2, 2] },
  '7x7': { n: 1, c: 64, h: 7, w: 7, o: 96, kernel: [3, 3], padding: [1, 1] },
  'odd channels': { n: 3, c: 17, h: 15, w: 13, o: 33, kernel: [3, 3], padding: [1, 1] },
  'one channel in': { n: 4, c: 1, h: 28, w: 28, o: 32, kernel: [3, 3], padding: [1, 1] },
  '7x7 stride 2 of 3 channels': {
    n: 1,
    c: 3,
    h: 37,
    w: 35,
    o: 64,
    kernel: [7, 7],
    stride: [2, 2],
    padding: [3, 3],
  },
  'efficientnet stem': {
    n: 2,
    c: 3,
    h: 32,
    w: 32,
    o: 32,
    kernel: [3, 3],
    stride: [2, 2],
    padding: [0, 1, 0, 1],
  },
  'efficientnet depthwise': {
    n: 2,
    c: 40,
    h: 14,
    w: 14,
    o: 40,
    kernel: [5, 5],
    stride: [2, 2],
    padding: [1, 2, 1, 2],
    groups: 40,
  },
  'four paddings, stride 1': { n: 2, c: 40, h: 14, w: 15, o: 33, kernel: [3, 3], padding: [2, 0, 0, 1] },
  'depthwise 40': { n: 2, c: 40, h: 9, w: 9, o: 40, kernel: [3, 3], padding: [1, 1], groups: 40 },
};

describe('conv2d on the native target', () => {
  for (const [name, s] of Object.entries(wide)) {
    const winograd = s.kernel[0] === 3 && s.stride === undefined && s.groups === undefined;
    for (const algorithm of [
      'auto',
      'im2col',
      'direct',
      ...(winograd ? ['winograd' as const] : []),
    ] as const) {
      it(`${name}, ${algorithm}: forward and gradients equal the reference`, () => {
        const shapes = convCase(s).args.map((a) => a.shape);
        const values = shapes.map((shape, i) => Float32Array.from(numbers(shape, i + 1)));
        const run = (): readonly ArrayLike<number>[] => {
          const all = compile((x: Tensor, w: Tensor, b: Tensor) => {
            const y = ops.conv2d(x, w, b, { ...options(s), algorithm });
            const loss = ops.sum(ops.mul(y, tensor(numbers(y.shape, 9), y.shape)));
            return [y, ...grad(loss, [x, w, b])];
          });
          return all
            .runSync(...(values.map((v, i) => tensor(v, shapes[i])) as [Tensor, Tensor, Tensor]))
            .map((t) => t.dataSync());
        };
        const expected = withTarget('ref', run);
        run().forEach((actual, i) => expectClose(actual, expected[i]!, 2e-5, ['y', 'dx', 'dw', 'db'][i]!));
      });
    }
  }
});

describe("padding 'same'", () => {
  const run = (size: readonly [number, number], given: ops.Conv2dOptions): [Tensor, Tensor] => {
    const x = tensor(numbers([1, 2, ...size], 1), [1, 2, ...size]);
    const w = tensor(numbers([2, 2, 3, 5], 2), [2, 2, 3, 5]);
    return [x, ops.conv2d(x, w, undefined, given)];
  };
  // TensorFlow: outputs = ceil(input / stride); all = max((outputs - 1) stride + reach - input, 0), the odd
  // one below and on the right.
  it.each([
    [[8, 8], { stride: 2 }, [0, 1, 1, 2]],
    [[7, 9], { stride: 2 }, [1, 1, 2, 2]],
    [[7, 9], {}, [1, 1, 2, 2]],
    [[7, 8], { stride: [3, 4] }, [1, 1, 0, 1]],
    [[9, 10], { stride: 4, dilation: 2 }, [2, 2, 3, 4]],
    [[4, 4], { stride: 5 }, [0, 0, 0, 1]],
  ] as const)('%j with %j is %j', (size, steps, padding) => {
    const [, expected] = run(size, { ...steps, padding });
    const [x, y] = run(size, { ...steps, padding: 'same' });
    const stride = [('stride' in steps ? steps.stride : 1) as number | readonly number[]].flat();
    const [sh, sw] = [stride[0]!, stride[stride.length - 1]!];
    expect(y.shape).toEqual([1, 2, Math.ceil(x.shape[2]! / sh), Math.ceil(x.shape[3]! / sw)]);
    expect(y.dataSync()).toEqual(expected.dataSync());
  });
});

describe('conv2d checks', () => {
  it('refuses Winograd where it does not apply', () => {
    const x = tensor(numbers([1, 2, 5, 5], 1), [1, 2, 5, 5]);
    const w = tensor(numbers([2, 2, 3, 3], 2), [2, 2, 3, 3]);
    const conv = (stride: number): Tensor => ops.conv2d(x, w, undefined, { stride, algorithm: 'winograd' });
    expect(conv(1).dataSync()).toHaveLength(18);
    expect(() => conv(2).dataSync()).toThrow('Winograd');
  });

  const x = tensor(new Float32Array(2 * 3 * 5 * 5), [2, 3, 5, 5]);
  const w = tensor(new Float32Array(4 * 3 * 3 * 3), [4, 3, 3, 3]);
  it('names what came and what was expected', () => {
    expect(() => ops.conv2d(x, tensor(new Float32Array(36), [4, 1, 3, 3]))).toThrow(
      'conv2d: weight expects 1 input channels, x is [2, 3, 5, 5]',
    );
    expect(() => ops.conv2d(x, w, tensor([1]))).toThrow(ShapeError);
    expect(() => ops.conv2d(x, w, undefined, { dilation: 3 })).toThrow(ShapeError);
    expect(() => ops.conv2d(x, w, undefined, { stride: 0 })).toThrow(ShapeError);
    expect(() => ops.conv2d(x, w, undefined, { padding: -1 })).toThrow(ShapeError);
    for (const padding of [[1, 1, 1], [1, 1, 1, -1], [1, 2, 3, 4, 5], [], 'valid', [1, 0.5, 1, 1]])
      expect(() => ops.conv2d(x, w, undefined, { padding } as ops.Conv2dOptions)).toThrow(
        /conv2d: padding must be a whole number from 0 to 65535, or \[height, width\], or \[top, bottom, left, right\], or 'same', got/,
      );
    expect(() => ops.conv2d(x, w, undefined, { padding: [0, 1, 0, 0], dilation: 3 })).toThrow(
      'with padding [0, 1, 0, 0]',
    );
    expect(() => ops.conv2d(tensor([1]), w, undefined, { padding: 'same' })).toThrow(ShapeError);
    expect(() => ops.conv2d(x, tensor([1]), undefined, { padding: 'same' })).toThrow(ShapeError);
    expect(() => ops.conv2d(x, w, undefined, { groups: 0 })).toThrow(OptionError);
    expect(() => ops.conv2d(x, w, undefined, { strides: 2 } as ops.Conv2dOptions)).toThrow(
      /unknown option "strides" \(did you mean "stride"\?\)/,
    );
  });
});
