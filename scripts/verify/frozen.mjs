/**
 * What freezing saves: the profile of a training step of resnet18 with all but the head frozen, beside that
 * of an unfrozen one, by `tenon bench --profile`.
 */
import { events, succeed, tenon } from './process.mjs';
import { check, megabytes } from './report.mjs';

const FROZEN = 'conv1,bn1,layer*';
/** Backward calls of the head alone: of the loss, and of its weights. */
const OF_THE_HEAD = ['cross_entropy_backward', 'linear_backward_weights'];

/** A step's profile: what `tenon bench` says, with the calls added up by what they compute. */
async function profile({ side, batch, steps }, more) {
  const size = ['--input', `3x${side}x${side}`, '--batch', batch, '--steps', steps];
  const run = await succeed(tenon('bench', '--model', 'resnet18', ...size, ...more, '--profile', '--json'));
  const { medianMs, memory, calls } = events(run).at(-1);
  const ops = {};
  for (const { op, ms } of calls) {
    const known = ops[op] ?? { calls: 0, ms: 0 };
    ops[op] = { calls: known.calls + 1, ms: known.ms + ms };
  }
  return { medianMs, arena: memory.arena, calls: calls.length, ops };
}

function print(frozen, full) {
  const cell = (found) => (found === undefined ? ' | ' : `${found.calls} | ${found.ms.toFixed(2)}`);
  const longest = Object.entries(full.ops).sort(([, a], [, b]) => b.ms - a.ms);
  const others = Object.entries(frozen.ops).filter(([op]) => !(op in full.ops));
  console.log('| op | calls, frozen | ms | calls, unfrozen | ms |\n|---|---|---|---|---|');
  for (const [op] of [...longest, ...others])
    console.log(`| ${op} | ${cell(frozen.ops[op])} | ${cell(full.ops[op])} |`);
}

const goal = "a step with all but the head frozen has no backward calls but the head's";

await check('frozen', goal, { side: 224, batch: 16, steps: 10 }, async (settings) => {
  const full = await profile(settings, []);
  const frozen = await profile(settings, ['--freeze', FROZEN]);
  print(frozen, full);
  const backwardOf = ({ ops }) => Object.keys(ops).filter((op) => op.includes('backward'));
  const cell = ({ medianMs, calls, arena }) =>
    `${medianMs.toFixed(1)} ms, ${calls} kernel calls, an arena of ${megabytes(arena)}`;
  return {
    pass:
      String(backwardOf(frozen).sort()) === String(OF_THE_HEAD) &&
      backwardOf(full).length > OF_THE_HEAD.length,
    figure: `frozen ${cell(frozen)}; unfrozen ${cell(full)}`,
    details: { frozen, full },
  };
});
