/** What a training step costs besides its kernels, and how often it crosses into the addon. */
import { childScript, lastLine, succeed } from './process.mjs';
import { check, percent } from './report.mjs';

const goal = 'under 5% of 1,000 awaited lenet steps at batch 64 is outside kernels; one N-API call a step';

await check('overhead', goal, { steps: 1000, batch: 64 }, async ({ steps, batch }) => {
  const child = await succeed([childScript('overhead.mjs'), steps, batch].map(String));
  const { loop, fit, byName } = lastLine(child);
  const once = [loop, fit].every((run) => run.calls === run.steps);
  const per = (run) => (run.calls / run.steps).toFixed(run.calls % run.steps === 0 ? 0 : 3);
  return {
    pass: loop.overhead < 0.05 && once,
    figure:
      `${percent(loop.overhead)} of ${(loop.wallMs / steps).toFixed(2)} ms a step; ` +
      `N-API calls a step: ${per(loop)} in a compiled loop, ${per(fit)} in Trainer.fit`,
    details: { loop, fit, byName },
  };
});
