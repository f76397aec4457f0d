'use strict';

/** Seeded input data, so that every JavaScript system sees the same numbers. */

/** Uniform numbers in [0, 1) by mulberry32. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal numbers by the Box-Muller transform, times `scale`. */
function normal(length, seed, scale = 1) {
  const next = uniform(seed);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i += 2) {
    const radius = scale * Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < length) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** Uniform class indices. */
function labels(length, classes, seed) {
  const next = uniform(seed);
  return Int32Array.from({ length }, () => Math.floor(next() * classes));
}

module.exports = { normal, labels };
