'use strict';

/**
 * jax-js, WebAssembly backend, the whole training step in one jit. Its arrays are reference-counted and every
 * function consumes its arguments, hence the many `.ref`.
 */
const jax = require('@jax-js/jax');
const { version } = require('../node_modules/@jax-js/jax/package.json');
const { serve, Unsupported } = require('../lib/child');
const { normal, labels } = require('../lib/random');

const { numpy: np, nn, lax, random } = jax;
const epsilon = 1e-5;
const statisticsMomentum = 0.1;

function array(shape, seed, scale = 1) {
  return np
    .array(
      normal(
        shape.reduce((a, b) => a * b, 1),
        seed,
        scale,
      ),
    )
    .reshape(shape);
}

/** Trainable arrays and running statistics, in the order in which the layers take them. */
function initialize(layers, state = { parameters: [], statistics: [] }) {
  const seed = () => state.parameters.length + 10;
  for (const layer of layers) {
    if (layer.type === 'linear') {
      state.parameters.push(
        array([layer.input, layer.output], seed(), layer.input ** -0.5),
        np.zeros([layer.output]),
      );
    } else if (layer.type === 'conv') {
      const { input, output, kernel } = layer;
      state.parameters.push(
        array([output, input, kernel, kernel], seed(), (input * kernel * kernel) ** -0.5),
      );
      if (layer.bias) state.parameters.push(np.zeros([1, output, 1, 1]));
    } else if (layer.type === 'batchNorm') {
      const shape = [1, layer.channels, 1, 1];
      state.parameters.push(np.ones(shape), np.zeros(shape));
      state.statistics.push(np.zeros(shape), np.ones(shape));
    } else if (layer.type === 'residual') {
      initialize(layer.main, state);
      initialize(layer.shortcut, state);
    }
  }
  return state;
}

/** `context`: cursors over parameters and statistics, the new statistics, the key of the dropout masks. */
function apply(layers, x, context) {
  return layers.reduce((y, layer) => applyLayer(layer, y, context), x);
}

function applyLayer(layer, x, context) {
  switch (layer.type) {
    case 'linear': {
      const weight = context.parameter();
      return np.matmul(x, weight).add(context.parameter());
    }
    case 'conv': {
      const pad = [layer.padding, layer.padding];
      const y = lax.conv(x, context.parameter(), [layer.stride, layer.stride], [pad, pad]);
      return layer.bias ? y.add(context.parameter()) : y;
    }
    case 'batchNorm':
      return batchNorm(x, context);
    case 'maxPool':
      return maxPool(x, layer);
    case 'globalAveragePool':
      return x.mean([2, 3]);
    case 'flatten':
      return x.reshape([x.shape[0], -1]);
    case 'relu':
      return nn.relu(x);
    case 'tanh':
      return np.tanh(x);
    case 'dropout':
      if (context.key === undefined) return x;
      return np.where(random.bernoulli(context.key, 1 - layer.p, x.shape), x.div(1 - layer.p), 0);
    case 'residual': {
      const main = apply(layer.main, x.ref, context);
      return nn.relu(main.add(apply(layer.shortcut, x, context)));
    }
    default:
      throw new Unsupported(`layer ${layer.type}`);
  }
}

function batchNorm(x, context) {
  const [gamma, beta] = [context.parameter(), context.parameter()];
  const [runningMean, runningVariance] = [context.statistic(), context.statistic()];
  if (!context.training) {
    const scale = gamma.div(np.sqrt(runningVariance.add(epsilon)));
    return x.sub(runningMean).mul(scale).add(beta);
  }
  const mean = x.ref.mean([0, 2, 3], { keepdims: true });
  const centred = x.sub(mean.ref);
  const variance = np.square(centred.ref).mean([0, 2, 3], { keepdims: true });
  const blend = (running, value) =>
    running.mul(1 - statisticsMomentum).add(lax.stopGradient(value).mul(statisticsMomentum));
  context.updated.push(blend(runningMean, mean), blend(runningVariance, variance.ref));
  return centred
    .div(np.sqrt(variance.add(epsilon)))
    .mul(gamma)
    .add(beta);
}

/** Padding with zeros equals padding with -inf here: a ReLU comes before every padded pool. */
function maxPool(x, { kernel, stride, padding }) {
  const pad = [padding, padding];
  const padded = padding > 0 ? np.pad(x, [[0, 0], [0, 0], pad, pad]) : x;
  return lax.reduceWindow(padded, np.max, [kernel, kernel], [stride, stride]);
}

function makeContext(parameters, statistics, training, key) {
  let p = 0;
  let s = 0;
  const updated = [];
  return { parameter: () => parameters[p++], statistic: () => statistics[s++], training, key, updated };
}

function lossOf(item) {
  return (parameters, statistics, x, targets, key) => {
    const context = makeContext(parameters, statistics, true, key);
    const y = apply(item.layers, x, context);
    const loss =
      item.classes > 0
        ? nn
            .logSoftmax(y)
            .mul(targets)
            .sum()
            .mul(-1 / item.batch)
        : np.square(y).sum();
    return [loss, context.updated];
  };
}

/** [parameter, state] after one update; the state is momentum, or Adam's two moments. */
function update({ type, lr, momentum, weightDecay }, parameter, gradient, state, step) {
  const g = weightDecay > 0 ? gradient.add(parameter.ref.mul(weightDecay)) : gradient;
  if (type === 'adam') {
    const [m0, v0] = state;
    const m = m0.mul(0.9).add(g.ref.mul(0.1));
    const v = v0.mul(0.999).add(np.square(g).mul(0.001));
    const [c1, c2] = [0.9, 0.999].map((beta) => np.subtract(1, np.exp(step.ref.mul(Math.log(beta)))));
    const moved = m.ref.div(c1).div(np.sqrt(v.ref.div(c2)).add(1e-8));
    return [parameter.sub(moved.mul(lr)), [m, v]];
  }
  if (momentum === 0) return [parameter.sub(g.mul(lr)), []];
  const velocity = state[0].mul(momentum).add(g);
  return [parameter.sub(velocity.ref.mul(lr)), [velocity]];
}

function compiledStep(item) {
  const gradients = jax.valueAndGrad(lossOf(item), { hasAux: true });
  return jax.jit((parameters, states, statistics, x, targets, key, step) => {
    const kept = parameters.map((p) => p.ref);
    const [[loss, updated], grads] = gradients(parameters, statistics, x, targets, key);
    const results = kept.map((p, i) => update(item.optimizer, p, grads[i], states[i], step));
    step.dispose();
    return [results.map(([p]) => p), results.map(([, s]) => s), updated, loss];
  });
}

function trainingStep(item, x) {
  let { parameters, statistics } = initialize(item.layers);
  const { type, momentum } = item.optimizer;
  const copies = type === 'adam' ? 2 : Number(momentum > 0);
  let states = parameters.map((p) => Array.from({ length: copies }, () => np.zeros(p.shape)));
  const classes = Array.from(labels(item.batch, Math.max(item.classes, 1), 2));
  const targets = nn.oneHot(np.array(classes, { dtype: np.int32 }), Math.max(item.classes, 1));
  const run = compiledStep(item);
  let count = 0;
  return async () => {
    count++;
    const outputs = run(
      parameters,
      states,
      statistics,
      x.ref,
      targets.ref,
      random.key(count),
      np.array(count),
    );
    [parameters, states, statistics] = outputs;
    await jax.blockUntilReady([parameters, states, statistics]);
    return (await outputs[3].data())[0];
  };
}

function inferenceStep(item, x) {
  const { parameters, statistics } = initialize(item.layers);
  const run = jax.jit((p, s, input) => apply(item.layers, input, makeContext(p, s, false, undefined)));
  const referenced = (list) => list.map((t) => t.ref);
  return async () => {
    await run(referenced(parameters), referenced(statistics), x.ref).data();
  };
}

async function prepare(item) {
  await jax.init('wasm');
  jax.defaultDevice('wasm');
  const x = array([item.batch, ...item.input], 1);
  const notes =
    typeof Worker === 'undefined' ? ['1 thread: Node has no Worker global, which its threads need'] : [];
  if (item.kind === 'infer') return { version, notes, step: inferenceStep(item, x) };
  return { version, notes, step: trainingStep(item, x), loss: Number };
}

serve(prepare);
