'use strict';

/**
 * ConvNetJS: float64 in plain JavaScript, one example at a time. No batch norm, no residual
 * connections, no Adam.
 */
const convnet = require('convnetjs');
const { version } = require('convnetjs/package.json');
const { serve, Unsupported } = require('../lib/child');
const { normal, labels } = require('../lib/random');

const activations = new Set(['relu', 'tanh']);

/**
 * Its layer definitions, in which an activation belongs to the layer before it, and what was left out
 * on the way.
 */
function definitions(item) {
  const [depth, height = 1, width = 1] = item.input;
  const defs = [{ type: 'input', out_sx: width, out_sy: height, out_depth: depth }];
  const notes = new Set(['float64', '1 thread']);
  for (const layer of item.layers) {
    if (activations.has(layer.type)) defs.at(-1).activation = layer.type;
    else if (layer.type === 'batchNorm') notes.add('without batch norm');
    else if (layer.type !== 'flatten') defs.push(definition(layer));
  }
  finish(defs, item, notes);
  return { defs, notes };
}

function definition(layer) {
  switch (layer.type) {
    case 'linear':
      return { type: 'fc', num_neurons: layer.output };
    case 'conv':
      return {
        type: 'conv',
        sx: layer.kernel,
        filters: layer.output,
        stride: layer.stride,
        pad: layer.padding,
      };
    case 'maxPool':
      return { type: 'pool', sx: layer.kernel, stride: layer.stride, pad: layer.padding };
    case 'dropout':
      return { type: 'dropout', drop_prob: layer.p };
    case 'residual':
      throw new Unsupported('it has no residual connections');
    default:
      throw new Unsupported(`it has no ${layer.type} layer`);
  }
}

/** The last layer becomes the loss layer, which brings a fully connected one of its own. */
function finish(defs, item, notes) {
  if (item.classes > 0) {
    defs.pop();
    defs.push({ type: 'softmax', num_classes: item.classes });
    return;
  }
  // A regression layer of its own would add a seventh weight matrix, so the network's last one is left to it,
  // without its activation.
  const last = defs.pop();
  defs.push({ type: 'regression', num_neurons: last.num_neurons });
  notes.add('without the last tanh');
}

function volume(item, seed) {
  const [depth, height = 1, width = 1] = item.input;
  const vol = new convnet.Vol(width, height, depth, 0);
  vol.w.set(normal(vol.w.length, seed));
  return vol;
}

function makeTrainer(net, { type, lr, momentum, weightDecay }, batch, notes) {
  const options = { learning_rate: lr, l2_decay: weightDecay, batch_size: batch, momentum };
  if (type !== 'adam') return new convnet.Trainer(net, { ...options, method: 'sgd' });
  notes.add('Adadelta for Adam');
  return new convnet.Trainer(net, { ...options, method: 'adadelta' });
}

async function prepare(item) {
  const { defs, notes } = definitions(item);
  const net = new convnet.Net();
  net.makeLayers(defs);
  const inputs = Array.from({ length: item.batch }, (_, i) => volume(item, i + 1));
  if (item.kind === 'infer') {
    const step = () => inputs.forEach((x) => net.forward(x, false));
    return { version, notes: [...notes], step };
  }
  const classes = labels(item.batch, Math.max(item.classes, 1), 2);
  const zeros = new Array(item.input[0]).fill(0);
  const targets = Array.from(classes, (label) => (item.classes > 0 ? label : zeros));
  const trainer = makeTrainer(net, item.optimizer, item.batch, notes);
  const step = () =>
    inputs.reduce((sum, x, i) => sum + trainer.train(x, targets[i]).cost_loss, 0) / item.batch;
  return { version, notes: [...notes], step, loss: Number };
}

serve(prepare);
