import { info } from '../../lib/native';
import { smallNet, smallTrainer, someGlyphs } from './helpers';

describe('memory', () => {
  test('of a run goes back when it ends', async () => {
    const glyphs = await someGlyphs();
    const trainer = smallTrainer();
    await trainer.fit(glyphs, { epochs: 1, validation: glyphs });
    const before = info().memory;
    for (let i = 0; i < 3; i++) await trainer.fit(glyphs, { epochs: 1, validation: glyphs });
    const after = info().memory;
    // Small constants go with the collector, so there may be less than before.
    expect(after.buffers).toBeLessThanOrEqual(before.buffers + 1024);
    expect(after.programs).toBeLessThanOrEqual(before.programs);
  });

  test('is flat over many steps', async () => {
    const seen: number[] = [];
    const note = {
      everySteps: 100,
      onSteps: () => void seen.push(info().memory.buffers + info().memory.staging),
    };
    await smallTrainer(smallNet()).fit(await someGlyphs(), {
      epochs: 1e6,
      maxSteps: 1000,
      callbacks: [note],
    });
    expect(seen).toHaveLength(10);
    expect(Math.max(...seen.slice(2)) - Math.min(...seen.slice(2))).toBeLessThan(1 << 20);
  });
});
