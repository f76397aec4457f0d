/** Bytes of the generator in test/fixtures/make_crops.py, H W C. */
export function noise(height: number, width: number, channels: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: height * width * channels }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 16) & 255;
  });
}
