/** The covariance of rows of `size` numbers, in float64, as rows. */
export function covariance(values, size) {
  const count = values.length / size;
  const mean = new Float64Array(size);
  for (let i = 0; i < values.length; i++) mean[i % size] += values[i] / count;
  const sums = Array.from({ length: size }, () => new Float64Array(size));
  const row = new Float64Array(size);
  for (let n = 0; n < count; n++) {
    for (let j = 0; j < size; j++) row[j] = values[n * size + j] - mean[j];
    for (let i = 0; i < size; i++) {
      const [to, x] = [sums[i], row[i]];
      for (let j = 0; j <= i; j++) to[j] += x * row[j];
    }
  }
  for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) sums[j][i] = sums[i][j] /= count;
  return sums;
}

/** The largest entry off the diagonal, in size. */
export function largestOffDiagonal(matrix) {
  let most = 0;
  matrix.forEach((row, i) => row.forEach((v, j) => (most = i === j ? most : Math.max(most, Math.abs(v)))));
  return most;
}

/** The largest difference from the identity. */
export function fromIdentity(matrix) {
  let most = 0;
  matrix.forEach((row, i) => row.forEach((v, j) => (most = Math.max(most, Math.abs(v - (i === j ? 1 : 0))))));
  return most;
}
