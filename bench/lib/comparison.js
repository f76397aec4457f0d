'use strict';

/**
 * What the figures of an item say about tenon: against the best of all peers in the same precision, against
 * its goal, and against the machine.
 */
const { goalBesideFp32, goalRatio } = require('./goals');
const { leastMs } = require('./work');
const { items } = require('./workloads');

const isTenon = ({ system }) => system.startsWith('tenon');
const unique = (values) => [...new Set(values)];

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

/** The fastest peer with the same batch as `ours`, by the median of its steps. */
function bestPeer(results, ours) {
  const comparable = results.filter((r) => !isTenon(r) && r.batch === ours.batch);
  return comparable.reduce(
    (best, r) => (best === undefined || r.medianMs < best.medianMs ? r : best),
    undefined,
  );
}

const judged = (speed, goal) => ({
  ...speed,
  ...(goal === undefined ? {} : { goal, met: speed.ratio >= goal }),
});

/** The share of what this machine could do in the time that the result took. */
function shareOfLimit(result, item, peaks) {
  if (result === undefined || peaks === undefined) return undefined;
  const least = leastMs({ ...item, batch: result.batch }, result.precision, peaks);
  return least === 0 ? undefined : least / result.medianMs;
}

/**
 * @typedef {object} Comparison One item in one precision.
 * @property {string} item
 * @property {string} kind
 * @property {'fp32' | 'bf16'} precision
 * @property {string} [peer] The best of all peers; undefined where none was measured.
 * @property {{ ratio: number, least: number, most: number, goal?: number, met?: boolean }} [besidePeer]
 * @property {{ ratio: number, least: number, most: number, goal?: number, met?: boolean }} [besideFp32] In
 *   bf16, against tenon in fp32.
 * @property {number} [ofLimit] Least time by the machine's peaks, over tenon's.
 * @property {number} [peerOfLimit] The same of the peer.
 */

/** @returns {Comparison | undefined} undefined where tenon was not measured */
function compareItem(results, item, precision, peaks) {
  const found = results.filter((r) => r.item === item.name && r.status === 'ok');
  const ofTenon = (wanted) => found.find((r) => isTenon(r) && r.precision === wanted);
  const ours = ofTenon(precision);
  if (ours === undefined) return undefined;
  const peer = bestPeer(
    found.filter((r) => r.precision === precision),
    ours,
  );
  const compared = { item: item.name, kind: item.kind, precision, ofLimit: shareOfLimit(ours, item, peaks) };
  if (peer !== undefined) {
    compared.peer = peer.system;
    compared.besidePeer = judged(speedup(peer, ours), goalRatio(item, precision, peaks?.bf16Path));
    compared.peerOfLimit = shareOfLimit(peer, item, peaks);
  }
  const besideFp32 = precision === 'bf16' ? speedup(ofTenon('fp32'), ours) : undefined;
  if (besideFp32 !== undefined)
    compared.besideFp32 = judged(besideFp32, goalBesideFp32(item, peaks?.bf16Path));
  return compared;
}

/**
 * All items that have results, in both precisions.
 * @returns {Comparison[]}
 */
function compareAll(results, peaks) {
  return unique(results.map((r) => r.item)).flatMap((name) => {
    const item = items.find((one) => one.name === name);
    if (item === undefined) return [];
    const both = ['fp32', 'bf16'].map((precision) => compareItem(results, item, precision, peaks));
    return both.filter((compared) => compared !== undefined);
  });
}

module.exports = { compareAll, speedup };
