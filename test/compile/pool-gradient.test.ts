import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import type { KernelCall } from '../../lib/compile/lower';
import * as ops from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { numbers } from '../ops/support';

interface Ran {
  readonly calls: readonly KernelCall[];
  readonly bits: readonly string[];
  readonly values: readonly Float32Array[];
}

function run(fn: (...args: Tensor[]) => Tensor[], args: readonly Tensor[], fuse = true): Ran {
  const compiled = compile(fn, { fuse });
  const { calls } = compiled.prepare(...args).lowered;
  const values = compiled.runSync(...args).map((t) => t.dataSync() as Float32Array);
  return { calls, values, bits: values.map((v) => Buffer.from(v.buffer).toString('hex')) };
}

function elements(ran: Ran, kernel: string): number | undefined {
  return ran.calls.find((c) => c.kernel === kernel)?.inputs[0]!.dims.reduce((a, b) => a * b, 1);
}

const shape = [2, 5, 9, 7];
/** Ties, zeros of both signs, windows without anything positive, and a NaN. */
const awkward = numbers(shape).map((v, i) => (i % 3 === 0 ? 0 : i % 5 === 0 ? -0 : i === 77 ? NaN : v));

describe.each([
  ['tiling windows', 2, {}],
  ['overlapping windows', 3, { stride: 2, padding: 1 }],
] as const)('a relu before max pooling, %s', (_, kernel, options) => {
  const x = tensor(awkward, shape);
  const loss = (y: Tensor): Tensor => {
    const pooled = ops.maxPool2d(y, kernel, options);
    return ops.sum(ops.mul(pooled, ops.sigmoid(pooled)));
  };

  it.each(['relu', 'relu6'] as const)('%s masks the pooled gradient, bit for bit', (activation) => {
    const moved = run(
      (t) => {
        const y = ops[activation](t);
        return grad(loss(y), [t]);
      },
      [x],
    );
    // The gradient that was spread is an output here: the mask has to stay behind it.
    const kept = run(
      (t) => {
        const y = ops[activation](t);
        return grad(loss(y), [t, y]);
      },
      [x],
    );
    const pooled = elements(moved, 'max_pool2d_backward')!;
    expect(elements(moved, `${activation}_backward`)).toBe(pooled);
    expect(elements(kept, `${activation}_backward`)).toBe(x.size);
    expect(moved.bits[0]).toBe(kept.bits[0]);
  });
});

it('a value that others read is masked where it is', () => {
  const ran = run(
    (t) => {
      const y = ops.relu(t);
      return grad(ops.add(ops.sum(ops.maxPool2d(y, 2)), ops.sum(ops.square(y))), [t]);
    },
    [tensor(awkward, shape)],
  );
  expect(elements(ran, 'relu_backward')).toBe(2 * 5 * 9 * 7);
});

describe('the gradient of a bias before max pooling', () => {
  const args = [tensor(numbers([2, 3, 8, 8]), [2, 3, 8, 8]), tensor(numbers([4, 3, 3, 3]), [4, 3, 3, 3])];
  const bias = tensor([0.1, -0.2, 0.3, 0]);
  const step =
    (dilation: number) =>
    (x?: Tensor, w?: Tensor, b?: Tensor): Tensor[] => {
      const y = ops.relu(ops.conv2d(x!, w!, b, { padding: 1 }));
      const pooled = ops.maxPool2d(y, 2, { dilation, stride: 2 });
      return grad(ops.sum(ops.square(pooled)), [x!, w!, b!]);
    };
  const sumOf = (ran: Ran): number | undefined =>
    elements(
      { ...ran, calls: ran.calls.filter((c) => c.outputs[0]!.dims.join() === '1,1,1,4') },
      'reduce_sum',
    );

  it('is summed over the pooled tensor, fused or not', () => {
    const [fused, unfused] = [run(step(1), [...args, bias]), run(step(1), [...args, bias], false)];
    expect(sumOf(fused)).toBe(2 * 4 * 4 * 4);
    expect(sumOf(unfused)).toBe(2 * 4 * 4 * 4);
    expect(fused.bits).toEqual(unfused.bits);
  });

  it('is what the long sum gives', () => {
    const dx = run(
      (x, w, b) => {
        const z = ops.conv2d(x, w, b, { padding: 1 });
        const loss = ops.sum(ops.square(ops.maxPool2d(ops.relu(z), 2)));
        return grad(loss, [z, b]);
      },
      [...args, bias],
    );
    const [dz, db] = dx.values as [Float32Array, Float32Array];
    for (let c = 0; c < 4; c++) {
      let sum = 0;
      for (let i = 0; i < dz.length; i++) if (Math.floor(i / 64) % 4 === c) sum += dz[i]!;
      expect(Math.abs(db[c]! - sum)).toBeLessThan(1e-4);
    }
  });

  it('is left alone where a window may miss the image', () => {
    expect(sumOf(run(step(2), [...args, bias]))).toBe(2 * 4 * 8 * 8);
  });
});
