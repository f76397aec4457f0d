// A study in runs/search that has some trials.
import { tune } from 'tenon';

export const study = await tune.study('runs/search', {
  space: { lr: tune.logUniform(1e-4, 1), layers: tune.integer(1, 4) },
});
for await (const { state } of study.run(({ lr, layers }) => Math.log10(lr) ** 2 + layers, { trials: 12 }))
  if (state !== 'complete') throw new Error(state);
