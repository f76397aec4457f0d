/**
 * Memory of a process that disposes of nothing: flat over many steps, and given back by models
 * that are dropped.
 */
import { childScript, lastLine, succeed } from './process.mjs';
import { check, median, megabytes } from './report.mjs';

const MB = 2 ** 20;
const goal = 'lenet, the second half of 10,000 steps within 5 MB; dropped models give their memory back';
const defaults = { steps: 10_000, batch: 16, models: 100 };

const child = async (flags, ...args) =>
  lastLine(await succeed([...flags, childScript('memory.mjs'), ...args.map(String)]));

/**
 * Resident memory, one figure for each twentieth of the run: the median of its samples, because the collector
 * comes and goes as it likes. The second half begins with the twentieth around its first step.
 */
function flatness({ resident }) {
  const size = resident.length / 20;
  const medians = Array.from({ length: 20 }, (_, i) =>
    median(resident.slice(Math.round(i * size), Math.round((i + 1) * size))),
  );
  const half = medians.slice(9);
  const growth = half.at(-1) - half[0];
  const spread = Math.max(...half) - Math.min(...half);
  return { medians, growth, spread, flat: Math.abs(growth) < 5 * MB && spread < 5 * MB };
}

/** All native memory is gone, and what is resident is what was after the first tenth of the models. */
function givenBack({ resident, after, made }) {
  const left = after.buffers + after.arenas + after.staging;
  const early = resident[Math.floor(resident.length / 10)];
  const growth = resident.at(-1) - early;
  return { left, growth, made, back: left < MB && after.programs === 0 && growth < 20 * MB };
}

/** Without a call of gc(): at no time more than a few models are alive. */
function bounded({ live, made }) {
  const most = Math.max(...live);
  return { most, made, back: most < made / 4 };
}

await check('memory', goal, defaults, async ({ steps, batch, models }) => {
  const loop = flatness(await child([], 'loop', steps, batch));
  const fit = flatness(await child([], 'fit', steps, batch));
  const collected = givenBack(await child(['--expose-gc'], 'models', models, batch));
  const natural = bounded(await child([], 'models', models, batch));
  const moved = [loop, fit].map(({ growth, spread }) => `${megabytes(growth)} (range ${megabytes(spread)})`);
  return {
    pass: loop.flat && fit.flat && collected.back && natural.back,
    figure:
      `batch ${batch}: compiled loop ${moved[0]}, Trainer.fit ${moved[1]}; ${models} models of ${megabytes(natural.made, 0)} in all: ` +
      `${megabytes(collected.left)} left and ${megabytes(collected.growth)} more resident after gc, ` +
      `at most ${megabytes(natural.most, 0)} alive without`,
    details: { loop, fit, collected, natural },
  };
});
