/**
 * A random order of the numbers from 0 to below `size`, however many, without a list of them: a Feistel
 * network over the next power of four, of which numbers that are too large are enciphered again ("cycle
 * walking", Black & Rogaway 2002).
 */
import { philox } from '../../philox';
import { streamKey } from '../../random';

const ROUNDS = 4;

export function shuffled(size: number, seed: number, stream: string): (index: number) => number {
  const key = streamKey(seed, stream);
  const half = 2 ** Math.max(1, Math.ceil(Math.log2(size) / 2));
  const words = new Uint32Array(4);
  const encipher = (index: number): number => {
    let [left, right] = [Math.floor(index / half), index % half];
    for (let round = 0; round < ROUNDS; round++) {
      philox(words, ...key, right, round, 0, 0);
      [left, right] = [right, (left + words[0]!) % half];
    }
    return left * half + right;
  };
  return (index) => {
    let place = encipher(index);
    while (place >= size) place = encipher(place);
    return place;
  };
}
