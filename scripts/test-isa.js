'use strict';

// Runs the op tests once for each instruction set below the best one of this machine: the best one is
// what `npm test` uses. Asserts that the forced one is the one that runs. What the machine lacks is
// said and skipped. Gradient rules are checked on the reference target, which is the same for every set:
// `npm test` does that, and it takes most of its time.
const { spawnSync } = require('node:child_process');

function runs(isa) {
  const code = "process.stdout.write(require('./dist/index.js').info().isa)";
  const child = spawnSync(process.execPath, ['-e', code], {
    env: { ...process.env, ...(isa && { TENON_ISA: isa }) },
    encoding: 'utf8',
  });
  return child.status === 0 ? child.stdout : undefined;
}

const best = runs(undefined);
let failed = false;
for (const isa of ['baseline', 'avx2', 'avx512', 'neon']) {
  if (isa === best) continue;
  const ran = runs(isa);
  if (ran === undefined) {
    console.log(`tenon: ${isa} skipped: this processor or build does not have it`);
    continue;
  }
  if (ran !== isa) throw new Error(`TENON_ISA=${isa} runs ${ran}`);
  console.log(`tenon: op tests on ${isa}`);
  const jest = require.resolve('jest/bin/jest');
  const child = spawnSync(process.execPath, [jest, 'test/ops', '--testNamePattern', '^(?!.*: gradients$)'], {
    env: { ...process.env, TENON_ISA: isa },
    stdio: 'inherit',
  });
  failed ||= child.status !== 0;
}
process.exitCode = failed ? 1 : 0;
