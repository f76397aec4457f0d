'use strict';

/** What this machine can do at most, by `tenon bench --peak` in a process of its own. */
const { execFileSync } = require('node:child_process');
const path = require('node:path');

const command = path.join(__dirname, '..', '..', 'dist', 'cli', 'main.js');

/** Undefined where tenon is not built. */
function measurePeaks(threads) {
  try {
    const args = [command, 'bench', '--peak', '--json', '--threads', String(threads)];
    const { isa, peaks } = JSON.parse(
      execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' }),
    );
    return { isa, ...peaks };
  } catch {
    return undefined;
  }
}

module.exports = { measurePeaks };
