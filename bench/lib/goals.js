'use strict';

/**
 * How many times as fast as the best peer tenon is to be, in the same precision, and in bf16 as its own fp32.
 * The goals of bf16 depend on how the processor computes it: 'amx' or 'avx512bf16'. Where it does not, there
 * are none.
 */

const mobile = /^(infer-)?(mobilenetV2|efficientnetLite0)\b/;
const mobileRatio = 1.5;

/** The least of each item, unless it is named. */
const fp32 = {
  train: { every: 2, resnet20: 1.8, resnet18: 1.8, tanh6: 1.8 },
  infer: { every: 1.5, 'infer-resnet18-b1': 1.3 },
};

/** Predictions are to be ahead on three of the four networks. */
const bf16 = {
  amx: { train: { every: 1.5 }, infer: { every: 1 } },
  avx512bf16: { train: { every: 1.4 }, infer: { every: 1 } },
};

/** bf16 is for those who want speed: it is never to cost any. */
const besideFp32 = {
  amx: { every: 0.98, vggs: 1.5, resnet18: 1.5 },
  avx512bf16: { every: 0.98 },
};

/** Times the best peer; undefined where nothing was set, as for kernels. */
function goalRatio({ name, kind }, precision, bf16Path) {
  const goals = (precision === 'fp32' ? fp32 : bf16[bf16Path])?.[kind];
  if (goals === undefined) return undefined;
  return goals[name] ?? (mobile.test(name) ? mobileRatio : goals.every);
}

/** bf16, times tenon's own fp32. */
function goalBesideFp32({ name, kind }, bf16Path) {
  const goals = besideFp32[bf16Path];
  return goals === undefined || kind === 'kernel' ? undefined : (goals[name] ?? goals.every);
}

module.exports = { goalRatio, goalBesideFp32 };
