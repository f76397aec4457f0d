'use strict';

/**
 * What tenon is to reach, as multiples of the tuned PyTorch 1.13.1 measured beside it: both were set down on
 * one machine (2 cores of an Intel Sapphire Rapids Xeon, AVX-512, 426 GFLOP/s in fp32), and only their ratio
 * carries over to another.
 */

/** PyTorch tuned and tenon's goal in examples/s, fp32 and bf16. */
const training = {
  mlp: { fp32: [111770, 200000], bf16: [127430, 250000] },
  lenet: { fp32: [5348, 10000], bf16: [9941, 16000] },
  vggs: { fp32: [287, 460], bf16: [936, 1900] },
  resnet20: { fp32: [786, 1200], bf16: [1559, 3000] },
  resnet18: { fp32: [24.9, 37], bf16: [67.5, 125] },
  tanh6: { fp32: [92, 170], bf16: [116, 200] },
};

/** PyTorch tuned and tenon's goal in ms, fp32 and bf16. */
const inference = {
  'infer-lenet-b1': { fp32: [0.204, 0.05], bf16: [0.326, 0.05] },
  'infer-resnet18-b1': { fp32: [18.3, 10], bf16: [9.8, 4] },
  'infer-resnet18-b16': { fp32: [198, 110], bf16: [51.6, 30] },
  'infer-vggs-b128': { fp32: [136, 75], bf16: [26.5, 15] },
};

/**
 * The best oneDNN or OpenBLAS on that machine, fp32, as GFLOP/s: forward, backward-data, backward-weights
 * (Winograd where it is best).
 */
const reference = {
  'conv-c1': [704, 707, 667],
  'conv-c2': [825, 830, 650],
  'conv-c3': [619, 617, 564],
  'conv-c4': [418, 413, 422],
  'conv-c5': [350, 56, 253],
  'conv-c6': [307, 258, 272],
  'conv-c7': [669, 663, 638],
  'sgemm-256': [359],
  'sgemm-512': [366],
  'sgemm-1024': [350],
  'sgemm-2048': [344],
};
const referencePeak = 426;
const directions = ['fwd', 'bwd-data', 'bwd-weights'];

/** How many times as fast as PyTorch tenon is to be; undefined where nothing was set. */
function goalRatio(item, precision = 'fp32') {
  if (training[item] !== undefined) {
    const [pytorch, goal] = training[item][precision];
    return goal / pytorch;
  }
  if (inference[item] === undefined) return undefined;
  const [pytorch, goal] = inference[item][precision];
  return pytorch / goal;
}

/** The share of its machine's peak that the best peer library reached in this kernel; over 1 by Winograd. */
function referenceShare(item) {
  const [, name, direction] = /^(sgemm-\d+|conv-c\d)(?:-(.*))?$/.exec(item) ?? [];
  const figure = reference[name]?.[direction === undefined ? 0 : directions.indexOf(direction)];
  return figure === undefined ? undefined : figure / referencePeak;
}

module.exports = { goalRatio, referenceShare };
