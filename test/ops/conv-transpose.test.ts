import { compile } from '../../lib/compile/compile';
import { OptionError, ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { expectClose, forEachIndex, numbers, testOp, type Numbers, type OpCase } from './support';

interface Size {
  readonly x: readonly [n: number, c: number, h: number, w: number];
  /** [C, O / groups, kH, kW] */
  readonly weight: readonly [number, number, number, number];
  readonly stride?: readonly [number, number];
  readonly padding?: readonly [number, number] | readonly [number, number, number, number];
  readonly outputPadding?: readonly [number, number];
  readonly dilation?: readonly [number, number];
  readonly groups?: number;
}

/** The definition: every element of x adds its kernel to the output. */
function naive(s: Size): (x: Numbers, w: Numbers, b?: Numbers) => Numbers {
  const { stride = [1, 1], padding = [0, 0], outputPadding = [0, 0], dilation = [1, 1], groups = 1 } = s;
  const [top, bottom, left, right] =
    padding.length === 4 ? padding : [padding[0], padding[0], padding[1], padding[1]];
  const [n, c, h, width] = s.x;
  const [, og, kh, kw] = s.weight;
  const size = (axis: 0 | 1, input: number, kernel: number): number =>
    (input - 1) * stride[axis] -
    [top + bottom, left + right][axis]! +
    dilation[axis] * (kernel - 1) +
    outputPadding[axis] +
    1;
  const [oh, ow, o] = [size(0, h, kh), size(1, width, kw), og * groups];
  return (x, w, bias) => {
    const y = Float64Array.from(
      { length: n * o * oh * ow },
      (_, i) => bias?.[Math.floor(i / (oh * ow)) % o] ?? 0,
    );
    forEachIndex(s.x, ([z, channel, i, j], at) => {
      forEachIndex([og, kh, kw], ([q, r, t], tap) => {
        const [row, column] = [
          i! * stride[0] - top + r! * dilation[0],
          j! * stride[1] - left + t! * dilation[1],
        ];
        if (row < 0 || row >= oh || column < 0 || column >= ow) return;
        const out = Math.floor(channel! / (c / groups)) * og + q!;
        y[((z! * o + out) * oh + row) * ow + column]! += x[at]! * w[channel! * og * kh * kw + tap]!;
      });
    });
    return y;
  };
}

function conv(s: Size, bias = false): OpCase {
  const { x, weight, ...options } = s;
  const outputs = weight[1] * (s.groups ?? 1);
  return {
    args: [{ shape: x }, { shape: weight }, ...(bias ? [{ shape: [outputs] }] : [])],
    fn: (a, w, b) => ops.convTranspose2d(a, w, b, options),
    reference: (a, w, b) => naive(s)(a, w, b),
  };
}

testOp('convTranspose2d', {
  'kernel 2, stride 2': conv({ x: [2, 3, 3, 4], weight: [3, 4, 2, 2], stride: [2, 2] }, true),
  'four paddings': conv({
    x: [2, 3, 4, 3],
    weight: [3, 2, 3, 4],
    stride: [2, 2],
    padding: [0, 1, 2, 1],
  }),
  'kernel 3, padding and output padding': conv({
    x: [1, 2, 3, 3],
    weight: [2, 3, 3, 3],
    stride: [2, 3],
    padding: [1, 1],
    outputPadding: [1, 2],
  }),
  'stride 1': conv({ x: [2, 2, 4, 3], weight: [2, 3, 3, 3], padding: [1, 1] }, true),
  groups: conv({ x: [1, 4, 3, 3], weight: [4, 3, 3, 2], stride: [2, 1], groups: 2 }, true),
  depthwise: conv({ x: [1, 4, 4, 3], weight: [4, 1, 4, 4], stride: [2, 2], padding: [1, 1], groups: 4 }),
  dilation: conv({ x: [1, 2, 3, 4], weight: [2, 2, 2, 3], dilation: [3, 2], padding: [2, 1] }),
  'output padding of more than the stride': conv({
    x: [1, 2, 2, 3],
    weight: [2, 2, 2, 2],
    stride: [2, 1],
    dilation: [4, 3],
    outputPadding: [3, 2],
  }),
  'padding of more than the kernel': conv({ x: [1, 1, 5, 6], weight: [1, 2, 2, 2], padding: [2, 2] }),
});

testOp('convTranspose1d', {
  'a padding for each end': {
    args: [{ shape: [2, 4, 5] }, { shape: [4, 3, 3] }],
    fn: (x, w) => ops.convTranspose1d(x, w, undefined, { stride: 2, padding: [1, 2] }),
    reference: naive({ x: [2, 4, 1, 5], weight: [4, 3, 1, 3], stride: [1, 2], padding: [0, 0, 1, 2] }),
  },
  'as a row': {
    args: [{ shape: [2, 4, 5] }, { shape: [4, 3, 3] }, { shape: [6] }],
    fn: (x, w, b) =>
      ops.convTranspose1d(x, w, b, { stride: 3, padding: 1, outputPadding: 2, dilation: 2, groups: 2 }),
    reference: (x, w, b) =>
      naive({
        x: [2, 4, 1, 5],
        weight: [4, 3, 1, 3],
        stride: [1, 3],
        padding: [0, 1],
        outputPadding: [0, 2],
        dilation: [1, 2],
        groups: 2,
      })(x, w, b),
  },
});

/** conv1d by its definition, with zeros outside x. */
function rowReference(
  [n, c, l]: readonly [number, number, number],
  [o, , k]: readonly [number, number, number],
  { stride, left, length }: { stride: number; left: number; length: number },
) {
  return (x: Float64Array, w: Float64Array, b: Float64Array): Float64Array => {
    const y = new Float64Array(n * o * length);
    forEachIndex([n, o, length], ([sample, out, i], at) => {
      y[at] = b[out!]!;
      forEachIndex([c, k], ([q, r]) => {
        const position = stride * i! - left + r!;
        if (position >= 0 && position < l)
          y[at]! += x[(c * sample! + q!) * l + position]! * w[(c * out! + q!) * k + r!]!;
      });
    });
    return y;
  };
}

testOp('conv1d', {
  'a padding for each end': {
    args: [{ shape: [2, 3, 7] }, { shape: [4, 3, 3] }, { shape: [4] }],
    fn: (x, w, b) => ops.conv1d(x, w, b, { stride: 2, padding: [3, 1] }),
    reference: rowReference([2, 3, 7], [4, 3, 3], { stride: 2, left: 3, length: 5 }),
  },
  same: {
    args: [{ shape: [2, 3, 7] }, { shape: [4, 3, 4] }, { shape: [4] }],
    fn: (x, w, b) => ops.conv1d(x, w, b, { padding: 'same' }),
    reference: rowReference([2, 3, 7], [4, 3, 4], { stride: 1, left: 1, length: 7 }),
  },
  'stride, padding, dilation and groups': {
    args: [{ shape: [2, 4, 9] }, { shape: [6, 2, 3] }, { shape: [6] }],
    fn: (x, w, b) => ops.conv1d(x, w, b, { stride: 2, padding: 3, dilation: 2, groups: 2 }),
    reference: (x, w, b) => {
      const y = new Float64Array(2 * 6 * 6);
      forEachIndex([2, 6, 6], ([n, o, i], at) => {
        y[at] = b[o!]!;
        forEachIndex([2, 3], ([q, r], tap) => {
          const position = 2 * i! - 3 + 2 * r!;
          const channel = 2 * Math.floor(o! / 3) + q!;
          if (position >= 0 && position < 9)
            y[at]! += x[(4 * n! + channel) * 9 + position]! * w[6 * o! + tap]!;
        });
      });
      return y;
    },
  },
});

test('bf16 products are close to f32 ones', async () => {
  const args = [
    tensor(Float32Array.from(numbers([2, 16, 7, 7], 1)), [2, 16, 7, 7]),
    tensor(Float32Array.from(numbers([16, 8, 3, 3], 2)), [16, 8, 3, 3]),
  ] as const;
  const fn = (x: Tensor, w: Tensor): Tensor =>
    ops.convTranspose2d(x, w, undefined, { stride: 2, padding: 1 });
  const narrow = await (await compile(fn, { precision: 'bf16' })(...args)).data();
  // Two factors rounded to 8 bits each.
  expectClose(narrow, await (await compile(fn)(...args)).data(), 2 ** -7, 'bf16');
});

test('bad operands and options', () => {
  const zeros = (...shape: number[]): Tensor =>
    tensor(new Float32Array(shape.reduce((n, d) => n * d, 1)), shape);
  const x = zeros(1, 4, 3, 3);
  const call =
    (w: Tensor, options?: ops.ConvTranspose2dOptions, b?: Tensor): (() => Tensor) =>
    () =>
      ops.convTranspose2d(x, w, b, options);
  expect(call(zeros(3, 2, 2, 2))).toThrow('weight expects 3 input channels, x is [1, 4, 3, 3]');
  expect(call(zeros(4, 2, 2, 2), { groups: 3 })).toThrow('cannot be split into 3 groups');
  expect(call(zeros(4, 2, 2))).toThrow(ShapeError);
  expect(call(zeros(4, 2, 0, 2))).toThrow('nothing is left of x [1, 4, 3, 3] by a 0x2 kernel');
  expect(call(tensor(new Int32Array(32), [4, 2, 2, 2]))).toThrow('weight must be f32, got i32');
  expect(call(zeros(4, 2, 2, 2), { padding: 3 })).toThrow('nothing is left of x [1, 4, 3, 3]');
  expect(call(zeros(4, 2, 2, 2), { stride: 2, outputPadding: 2 })).toThrow(OptionError);
  expect(call(zeros(4, 2, 2, 2), { stride: 2, outputPadding: 2 })).toThrow(
    'outputPadding must be less than stride or dilation (2), got 2',
  );
  expect(call(zeros(4, 2, 2, 2), { pad: 1 } as object)).toThrow('unknown option');
  expect(call(zeros(4, 2, 2, 2), {}, zeros(3))).toThrow('bias must be [2], got [3]');
  expect(() => ops.conv1d(x, zeros(4, 4, 1))).toThrow('conv1d: x must have rank 3');
  expect(() => ops.conv1d(zeros(1, 4, 3), zeros(4, 3, 1))).toThrow('weight expects 3 input channels');
  expect(() => ops.conv1d(zeros(1, 4, 3), zeros(4, 4, 1), undefined, { stride: 0 })).toThrow('stride');
  for (const padding of [-1, 0.5, [1], [1, 2, 3], [1, -1], 65536, 'valid'])
    expect(() => ops.conv1d(zeros(1, 4, 3), zeros(4, 4, 1), undefined, { padding } as object)).toThrow(
      "conv1d: padding must be a whole number from 0 to 65535, or [left, right], or 'same'",
    );
  expect(() =>
    ops.convTranspose1d(zeros(1, 4, 3), zeros(4, 4, 1), undefined, { padding: 'same' } as object),
  ).toThrow('padding must be a whole number from 0 to 65535, or [left, right], got "same"');
  expect(() => ops.convTranspose1d(zeros(1, 4, 3), x)).toThrow('conv_transpose1d: weight must have rank 3');
});
