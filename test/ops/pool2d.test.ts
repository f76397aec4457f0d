import { OptionError, ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { distinct, testOp, type Numbers, type OpCase } from './support';

type Two = readonly [number, number];
interface Window {
  readonly kernel: Two;
  readonly stride?: Two;
  readonly padding?: Two | readonly [number, number, number, number];
  readonly dilation?: Two;
}

/** Calls `visit` with the elements of every window, null for those in the border. */
function windows(
  shape: readonly number[],
  { kernel, stride = kernel, padding = [0, 0], dilation = [1, 1] }: Window,
  reduce: (e: (number | null)[]) => number,
): (x: Numbers) => number[] {
  const [n, c, h, w] = shape as [number, number, number, number];
  const [top, bottom, left, right] =
    padding.length === 4 ? padding : [padding[0], padding[0], padding[1], padding[1]];
  const oh = ops.convOutputSize(h, kernel[0], stride[0], [top, bottom], dilation[0]);
  const ow = ops.convOutputSize(w, kernel[1], stride[1], [left, right], dilation[1]);
  return (x) => {
    const out: number[] = [];
    for (let plane = 0; plane < n * c; plane++)
      for (let i = 0; i < oh; i++)
        for (let j = 0; j < ow; j++) {
          const elements: (number | null)[] = [];
          for (let r = 0; r < kernel[0]; r++)
            for (let t = 0; t < kernel[1]; t++) {
              const [row, column] = [
                i * stride[0] - top + r * dilation[0],
                j * stride[1] - left + t * dilation[1],
              ];
              elements.push(
                row < 0 || row >= h || column < 0 || column >= w ? null : x[(plane * h + row) * w + column]!,
              );
            }
          out.push(reduce(elements));
        }
    return out;
  };
}

const present = (e: readonly (number | null)[]): number[] => e.filter((v): v is number => v !== null);
const total = (e: readonly number[]): number => e.reduce((a, b) => a + b, 0);

const shapes: Record<string, readonly [readonly number[], Window]> = {
  '2x2': [[2, 3, 6, 4], { kernel: [2, 2] }],
  '2x2, rest dropped': [[1, 17, 5, 5], { kernel: [2, 2] }],
  '3x3 stride 2 padded': [[2, 5, 7, 6], { kernel: [3, 3], stride: [2, 2], padding: [1, 1] }],
  '3x3 stride 2 padded below and on the right': [
    [2, 5, 6, 8],
    { kernel: [3, 3], stride: [2, 2], padding: [0, 1, 0, 1] },
  ],
  'tiles padded at the end': [[1, 17, 5, 3], { kernel: [2, 2], padding: [0, 1, 0, 1] }],
  'four paddings': [[1, 4, 6, 7], { kernel: [5, 4], stride: [2, 3], padding: [2, 0, 1, 2] }],
  'overlapping 3x2': [[1, 4, 6, 6], { kernel: [3, 2], stride: [1, 1] }],
  'gaps between windows': [[1, 2, 7, 7], { kernel: [2, 2], stride: [3, 3] }],
};

testOp('maxPool2d', {
  ...Object.fromEntries(
    Object.entries(shapes).map(([name, [shape, w]]) => [
      name,
      {
        args: [{ shape, values: distinct(shape) }],
        fn: (x) =>
          ops.maxPool2d(x, w.kernel, {
            ...(w.stride && { stride: w.stride }),
            ...(w.padding && { padding: w.padding }),
          }),
        reference: windows(shape, w, (e) => Math.max(...present(e))),
      } satisfies OpCase,
    ]),
  ),
  dilated: {
    args: [{ shape: [1, 3, 7, 8], values: distinct([1, 3, 7, 8]) }],
    fn: (x) => ops.maxPool2d(x, 2, { stride: 1, dilation: [2, 3] }),
    reference: windows([1, 3, 7, 8], { kernel: [2, 2], stride: [1, 1], dilation: [2, 3] }, (e) =>
      Math.max(...present(e)),
    ),
  },
});

function average([shape, w]: readonly [readonly number[], Window], countIncludePad: boolean): OpCase {
  return {
    args: [{ shape }],
    fn: (x) =>
      ops.avgPool2d(x, w.kernel, {
        ...(w.stride && { stride: w.stride }),
        ...(w.padding && { padding: w.padding }),
        countIncludePad,
      }),
    reference: windows(shape, w, (e) => total(present(e)) / (countIncludePad ? e.length : present(e).length)),
  };
}

testOp('avgPool2d', {
  ...Object.fromEntries(Object.entries(shapes).map(([name, s]) => [name, average(s, true)])),
  'border not counted': average(shapes['3x3 stride 2 padded']!, false),
  'uneven border not counted': average(shapes['four paddings']!, false),
});

testOp('globalAvgPool2d', {
  'means of planes': {
    args: [{ shape: [2, 19, 3, 5] }],
    fn: ops.globalAvgPool2d,
    reference: windows([2, 19, 3, 5], { kernel: [3, 5] }, (e) => total(present(e)) / 15),
  },
});

describe('pooling', () => {
  it("'same' has ceil(input / stride) outputs, with the odd row and column behind", () => {
    const image = tensor(distinct([1, 2, 6, 7]), [1, 2, 6, 7]);
    for (const pool of [ops.maxPool2d, ops.avgPool2d]) {
      const y = pool(image, 3, { stride: 2, padding: 'same' });
      expect(y.shape).toEqual([1, 2, 3, 4]);
      expect(y.dataSync()).toEqual(pool(image, 3, { stride: 2, padding: [0, 1, 1, 1] }).dataSync());
    }
    const dilated = ops.maxPool2d(image, 2, { stride: 1, dilation: 3, padding: 'same' });
    expect(dilated.shape).toEqual([1, 2, 6, 7]);
  });
  const x = tensor(new Float32Array(16), [1, 1, 4, 4]);
  it('ties go to the first, NaN wins', async () => {
    expect(Array.from(await ops.maxPool2d(tensor([1, NaN, 3, 4], [1, 1, 2, 2]), 2).data())).toEqual([NaN]);
  });
  it('rejects windows that do not fit', () => {
    expect(() => ops.maxPool2d(x, 5)).toThrow(ShapeError);
    expect(() => ops.maxPool2d(x, 2, { padding: 2 })).toThrow(/at most half of kernel/);
    expect(() => ops.maxPool2d(x, [2, 4], { padding: [1, 1, 0, 3] })).toThrow(
      'max_pool2d: padding [1, 1, 0, 3] must be at most half of kernel [2, 4]',
    );
    expect(() => ops.avgPool2d(x, 3, { padding: 'valid' as never })).toThrow(ShapeError);
    expect(() => ops.avgPool2d(x, 0)).toThrow(ShapeError);
    expect(() => ops.globalAvgPool2d(tensor([1]))).toThrow(ShapeError);
    expect(() => ops.avgPool2d(x, 2, { countIncludePad: 'no' as never })).toThrow(OptionError);
  });
});
