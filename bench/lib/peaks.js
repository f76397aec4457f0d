'use strict';

/**
 * What this machine can do at most, by `tenon bench --peak` in a process of its own: the best of several
 * moments of a run, because a moment may be slow.
 */
const { execFileSync } = require('node:child_process');
const path = require('node:path');

const command = path.join(__dirname, '..', '..', 'dist', 'cli', 'main.js');

/** Undefined where tenon is not built. */
function measureOnce(threads) {
  try {
    const args = [command, 'bench', '--peak', '--json', '--threads', String(threads)];
    const { isa, bf16, peaks } = JSON.parse(
      execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' }),
    );
    return { isa, bf16Path: bf16, ...peaks };
  } catch {
    return undefined;
  }
}

const better = (a, b) => ({
  bytes: a.bytes,
  plain: Math.max(a.plain, b.plain),
  streaming: Math.max(a.streaming, b.streaming),
});

/**
 * The best of the peaks so far and of another moment. `moments`: the fp32 peak of each.
 * @param {object | undefined} best
 * @param {object | undefined} now as measureOnce returns it
 */
function bestOf(best, now) {
  if (now === undefined) return best;
  if (best === undefined) return { ...now, moments: [now.gflops] };
  return {
    ...best,
    gflops: Math.max(best.gflops, now.gflops),
    bf16Gflops: Math.max(best.bf16Gflops, now.bf16Gflops),
    memory: better(best.memory, now.memory),
    cache: better(best.cache, now.cache),
    moments: [...best.moments, now.gflops],
  };
}

/** `best`, after one more moment. */
function measurePeaks(threads, best) {
  return bestOf(best, measureOnce(threads));
}

module.exports = { bestOf, measurePeaks };
