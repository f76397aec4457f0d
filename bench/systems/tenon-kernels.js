'use strict';

/**
 * Single kernels of tenon: a program that runs the op on persistent buffers, timed by the program's own
 * profile. The rest of it (making the gradient that the op is given, handing one element out) does not count.
 */
const { normal } = require('../lib/random');

/** One element, so that nothing large leaves the program. */
function corner(ops, y) {
  return ops.slice(
    y,
    y.shape.map(() => 0),
    y.shape.map(() => 1),
  );
}

/** For each kind: the ops whose calls are timed, and a function that records them. */
const kinds = {
  sgemm(tenon, { n }, filled) {
    const [a, b] = [filled([n, n]), filled([n, n])];
    return { timed: 'matmul', record: () => corner(tenon.ops, tenon.ops.matmul(a, b)) };
  },
  conv(tenon, { direction, x, w, y, stride, padding }, filled) {
    const { grad, ops } = tenon;
    const [input, weight, dy] = [filled(x), filled(w), filled(y)];
    const forward = () => ops.conv2d(input, weight, undefined, { stride, padding });
    if (direction === 'fwd') return { timed: 'conv2d', record: () => corner(ops, forward()) };
    const [timed, wanted] =
      direction === 'bwd-data' ? ['conv2d_backward_data', input] : ['conv2d_backward_weights', weight];
    const record = () => corner(ops, grad(ops.sum(ops.mul(forward(), dy)), [wanted])[0]);
    return { timed, record };
  },
  norm(tenon, { direction, shape }, filled) {
    const { grad, ops } = tenon;
    const [x, dy, gamma, beta] = [filled(shape), filled(shape), filled([shape[1]]), filled([shape[1]])];
    const forward = () => ops.batchNormTrain(x, gamma, beta).y;
    if (direction === 'fwd') return { timed: 'batch_norm_train', record: () => corner(ops, forward()) };
    // All three gradients, as in PyTorch's kernel.
    const record = () => grad(ops.sum(ops.mul(forward(), dy)), [x, gamma, beta]).map((g) => corner(ops, g));
    return { timed: 'batch_norm_backward', record };
  },
  adam(tenon, { size }, filled) {
    const { assign, ops, optim, runtimeScalar, zeros } = tenon;
    const update = optim.Adam.rule ?? ops.adamUpdate; // what it was called in older commits
    const [w, g, m, v] = [filled([size]), filled([size]), zeros([size]), zeros([size])];
    const values = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, step: 10 };
    const record = () => {
      const scalars = Object.fromEntries(
        Object.entries(values).map(([name, value]) => [name, runtimeScalar(() => value)]),
      );
      const operands = { weights: [w], gradients: [g], states: [[m], [v]] };
      const { weights, states } = update(scalars, operands);
      assign(w, weights[0]);
      assign(m, states[0][0]);
      assign(v, states[1][0]);
    };
    return { timed: 'adam', record };
  },
};

/**
 * @param {{ precision?: 'bf16' }} precision The op then takes operands that the program has cast before,
 *   which is not timed.
 * @returns {{ step: () => void, clock: () => number }} `clock` in milliseconds of the timed calls since the
 *   start
 */
function prepareKernel(tenon, spec, precision) {
  const count = (shape) => shape.reduce((a, b) => a * b, 1);
  const filled = (shape) => tenon.persistent(normal(count(shape), 1), shape);
  const { timed, record } = kinds[spec.type](tenon, spec, filled);
  const compiled = tenon.compile(record, precision);
  const clock = () => {
    const calls = compiled.profile().flat();
    return calls.reduce((sum, { op, nanoseconds }) => (op === timed ? sum + nanoseconds : sum), 0) / 1e6;
  };
  compiled.runSync();
  if (!(clock() > 0)) throw new Error(`no call of ${timed} was timed`);
  return { step: () => compiled.runSync(), clock };
}

module.exports = { prepareKernel };
