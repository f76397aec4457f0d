/** Losses as the process sees them. */

/** The same with mean 0 and variance 1; all 0 where they are equal. */
export function standardized(losses: ArrayLike<number>): Float64Array {
  const given = Float64Array.from(losses);
  // They may be so large that their squares are infinite.
  const largest = given.reduce((most, loss) => Math.max(most, Math.abs(loss)), 0) || 1;
  const scaled = given.map((loss) => loss / largest);
  const { mean, variance } = momentsOf(scaled);
  const deviation = Math.sqrt(variance);
  return scaled.map((loss) => (deviation < 1e-14 ? 0 : (loss - mean) / deviation));
}

function momentsOf(values: Float64Array): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, variance };
}
