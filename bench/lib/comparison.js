'use strict';

/** What the figures of one item say about tenon: against PyTorch, against its goal, against the machine. */
const { goalRatio, referenceShare } = require('./goals');
const { flopsOf } = require('./work');
const { items } = require('./workloads');

/** Columns, where both sides were measured; bf16 adds its own. */
function comparisonHeader(systems) {
  const pair = (precision) => [`tenon${precision}`, `pytorch${precision}`].every((s) => systems.includes(s));
  const columns = ['times PyTorch (rounds)', 'goal', '', 'of peak', 'best peer, of its peak'];
  if (!pair('')) return [];
  return pair('-bf16') ? [...columns, 'bf16: times PyTorch (rounds)', 'goal', ''] : columns;
}

/** The cells under comparisonHeader. `found`: the results of one item, undefined where a system has none. */
function comparison(found, peaks) {
  const cells = [...against(found, ''), ...againstPeak(found, peaks)];
  const inBf16 = found.some((r) => r?.system === 'pytorch-bf16');
  return inBf16 ? [...cells, ...against(found, '-bf16')] : cells;
}

const resultOf = (found, system) => found.find((r) => r?.system === system && r.status === 'ok');

function against(found, suffix) {
  const [tenon, pytorch] = [resultOf(found, `tenon${suffix}`), resultOf(found, `pytorch${suffix}`)];
  const speed = speedup(pytorch, tenon);
  if (speed === undefined) return ['', '', ''];
  const goal = goalRatio(tenon.item, suffix === '' ? 'fp32' : 'bf16');
  const text = `${speed.ratio.toFixed(2)} (${speed.least.toFixed(2)}-${speed.most.toFixed(2)})`;
  return goal === undefined
    ? [text, '', '']
    : [text, goal.toFixed(2), speed.ratio >= goal ? 'met' : 'not met'];
}

/**
 * How many times as fast `ours` is as `theirs`, by all steps and from round to round; undefined where
 * their batches differ.
 */
function speedup(theirs, ours) {
  if (theirs === undefined || ours === undefined || theirs.batch !== ours.batch) return undefined;
  const rounds = ours.roundMediansMs
    .slice(0, theirs.roundMediansMs.length)
    .map((ms, i) => theirs.roundMediansMs[i] / ms);
  return {
    ratio: theirs.medianMs / ours.medianMs,
    least: Math.min(...rounds),
    most: Math.max(...rounds),
  };
}

/** Bandwidth is compared with the better triad from memory. */
function againstPeak(found, peaks) {
  const tenon = resultOf(found, 'tenon');
  if (tenon === undefined || peaks === undefined) return ['', ''];
  const flops = flopsOf(items.find(({ name }) => name === tenon.item) ?? {});
  const perSecond = flops / tenon.medianMs / 1e6;
  const share =
    flops === undefined
      ? tenon.value / Math.max(peaks.memory.plain, peaks.memory.streaming)
      : (perSecond * (tenon.batch / tenon.fullBatch)) / peaks.gflops;
  const peer = referenceShare(tenon.item);
  return [percent(share), peer === undefined ? '' : percent(peer)];
}

const percent = (share) => `${Math.round(100 * share)}%`;

module.exports = { comparison, comparisonHeader, speedup };
