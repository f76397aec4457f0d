'use strict';

/**
 * ONNX Runtime, CPU provider, inference only, with its own graph optimizations on (it folds batch
 * norm into convolutions).
 */
const ort = require('onnxruntime-node');
const { version } = require('onnxruntime-node/package.json');
const { serve, Unsupported } = require('../lib/child');
const { normal } = require('../lib/random');
const { onnxModel } = require('../lib/onnx');

async function prepare(item, { threads }) {
  if (item.kind === 'train') throw new Unsupported('inference only');
  const { model, output } = onnxModel(item);
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
  });
  const shape = [item.batch, ...item.input];
  const x = new ort.Tensor(
    'float32',
    normal(
      shape.reduce((a, b) => a * b, 1),
      1,
    ),
    shape,
  );
  const step = async () => {
    const { [output]: y } = await session.run({ x });
    return y.data;
  };
  return { version, step };
}

serve(prepare);
