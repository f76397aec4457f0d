import { OptionError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { distinct, numbers, testOp, type OpCase } from './support';

/**
 * Abramowitz & Stegun 7.1.26 is too coarse: erf by its Maclaurin series, exact to double precision on
 * the range tested.
 */
function erf(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function pointwise(
  fn: OpCase['fn'],
  f: (x: number) => number,
  values = distinct([2, 3, 5, 7]).map((x) => 3 * x),
): OpCase {
  return { args: [{ shape: [2, 3, 5, 7], values }], fn, reference: (x) => x.map(f) };
}

const positive = numbers([2, 3, 5, 7]).map((x) => 1.5 + x);

testOp('unary ops', {
  relu: pointwise(ops.relu, (x) => Math.max(x, 0)),
  relu6: pointwise(
    (x) => ops.relu6(x),
    (x) => Math.min(Math.max(x, 0), 6),
    distinct([2, 3, 5, 7]).map((x) => 10 * x),
  ),
  leakyRelu: pointwise(
    (x) => ops.leakyRelu(x, 0.2),
    (x) => (x > 0 ? x : 0.2 * x),
  ),
  elu: pointwise(
    (x) => ops.elu(x, 1.5),
    (x) => (x > 0 ? x : 1.5 * Math.expm1(x)),
  ),
  gelu: pointwise(ops.gelu, (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))),
  silu: pointwise(ops.silu, (x) => x * sigmoid(x)),
  tanh: pointwise(ops.tanh, Math.tanh),
  sigmoid: pointwise(ops.sigmoid, sigmoid),
  exp: pointwise(ops.exp, Math.exp),
  log: pointwise(ops.log, Math.log, positive),
  sqrt: pointwise(ops.sqrt, Math.sqrt, positive),
  square: pointwise(ops.square, (x) => x * x),
  abs: pointwise(ops.abs, Math.abs),
  neg: pointwise(ops.neg, (x) => -x),
  affine: pointwise(
    (x) => ops.affine(x, -2.5, 0.75),
    (x) => -2.5 * x + 0.75,
  ),
});

describe('unary ops at the edges', () => {
  it('NaN goes through', async () => {
    for (const fn of [
      ops.relu,
      ops.relu6,
      ops.gelu,
      ops.silu,
      ops.tanh,
      ops.sigmoid,
      ops.exp,
      ops.log,
      ops.sqrt,
      ops.abs,
    ]) {
      expect((await fn(tensor([NaN, 1])).data())[0]).toBeNaN();
    }
  });

  it('saturates without overflow', async () => {
    const far = tensor([-200, -100, 100, 200]);
    expect(Array.from(await ops.sigmoid(far).data())).toEqual([0, expect.closeTo(0, 30), 1, 1]);
    expect(Array.from(await ops.tanh(far).data())).toEqual([-1, -1, 1, 1]);
    expect(Array.from(await ops.exp(tensor([-Infinity, 0, Infinity])).data())).toEqual([0, 1, Infinity]);
  });

  it('takes empty tensors', async () => {
    expect((await ops.relu(tensor([], [0, 3])).data()).length).toBe(0);
  });

  it('rejects bad parameters and types', () => {
    expect(() => ops.leakyRelu(tensor([1]), NaN)).toThrow(OptionError);
    expect(() => ops.relu(tensor(new Int32Array([1])))).toThrow(/relu: x must be f32, got i32/);
  });
});
