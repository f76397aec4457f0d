/** Small seeded numbers for the figures: the same on every machine and in every run. */

/** A generator of uniform numbers in [0, 1) (Steele et al. 2014, SplitMix; 32 bits). */
export function uniform(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** A generator of normal numbers (Box & Muller 1958). */
export function normal(seed) {
  const draw = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Standard deviation, biased. */
export function deviation(values) {
  const center = mean(values);
  return Math.sqrt(mean(Array.from(values, (value) => (value - center) ** 2)));
}

/**
 * `count` points around the centres of `classes` classes, in `size` dimensions: { x: [count * size],
 * y: [count] }.
 */
export function clusters({ count, size, classes, noise = 1, seed = 1 }) {
  const draws = normal(seed);
  const centers = Array.from({ length: classes * size }, draws);
  const y = Int32Array.from({ length: count }, (_, i) => i % classes);
  const x = Float32Array.from(
    { length: count * size },
    (_, i) => centers[y[Math.floor(i / size)] * size + (i % size)] + noise * draws(),
  );
  return { x, y };
}
