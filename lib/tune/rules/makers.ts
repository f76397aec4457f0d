/** Every rule: one line makes it public, and `tenon tune --rule` takes it. */
export { diverged, type DivergedOptions } from './diverged';
export { median, type MedianOptions } from './median';
export { percentile, type PercentileOptions } from './percentile';
export { asha, type AshaOptions } from './asha';
