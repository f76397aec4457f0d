/** A custom augmentation for workers. What it does to sample 17, beside grain, is the query of its URL. */
const act = new URL(import.meta.url).search.slice(1);

export default async function grain(pixels, { sample, random }) {
  if (sample === 17) {
    if (act === 'throw') throw new Error('no such file');
    if (act === 'shape') return pixels.subarray(1);
    if (act === 'text') return 'pixels';
    if (act === 'exit') process.exit(3);
    if (act === 'loop') for (;;);
    if (act === 'wait') await new Promise(() => undefined);
  }
  for (let i = 0; i < pixels.length; i++) if (random.chance(0.05)) pixels[i] = random.below(256);
  return sample % 2 === 0 ? undefined : pixels;
}
