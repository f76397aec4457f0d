import { namesOf } from '../../lib/cli/names';
import { completeRecipe, parseRecipe, resumedRecipe } from '../../lib/cli/recipe';
import { buildSchedule, SCHEDULES } from '../../lib/cli/schedules';
import { checkWarmup } from '../../lib/cli/warmup';
import { curve } from '../../lib/schedules';

describe('run.json', () => {
  const written = (): Record<string, unknown> =>
    JSON.parse(JSON.stringify(completeRecipe({ dataset: 'glyphs' }))) as Record<string, unknown>;

  test('is read as it was written', () => {
    expect(parseRecipe('run.json', written())).toEqual(completeRecipe({}));
  });

  test('of a run from before --last-batch goes on with keep', () => {
    const old = written();
    delete old.lastBatch;
    const kept = parseRecipe('run.json', old);
    expect(kept.lastBatch).toBe('keep');
    expect(resumedRecipe(kept, { epochs: 7 })).toMatchObject({ lastBatch: 'keep', epochs: 7 });
    expect(() => resumedRecipe(kept, { lastBatch: 'even' })).toThrow(
      '--last-batch even: the run that is resumed was started with keep',
    );
  });
});

test('images of a folder are not mirrored unless asked', () => {
  const folder = { dataset: 'folder', data: 'photos' } as const;
  expect(completeRecipe(folder).augment).toEqual(['crop']);
  expect(completeRecipe({ ...folder, augment: ['flip'] }).augment).toEqual(['flip']);
  expect(completeRecipe({ dataset: 'cifar10', data: 'c' }).augment).toEqual(['flip', 'crop']);
});

describe('--warmup', () => {
  test('takes steps and epochs', () => {
    const read = (text: unknown): unknown => checkWarmup('option', '--warmup', text);
    expect(['0', '200', '200steps', '1epoch', '2epochs', '.5epochs', '0.50epoch', 7].map(read)).toEqual([
      ...[0, 200, 200, '1epoch', '2epochs', '0.5epochs', '0.5epochs', 7],
    ]);
    for (const bad of [
      '',
      '-1',
      '1.5',
      '1e9',
      'epoch',
      '1 epoch',
      '2days',
      '99999999999999999999',
      null,
      {},
      -1,
      0.5,
    ])
      expect(() => read(bad)).toThrow('option: --warmup must be a number of steps, or of epochs');
  });

  test('is an epoch for deep networks, a fifth of a short run, and none for the others', () => {
    const warmup = (flags: object): unknown =>
      completeRecipe({ dataset: 'folder', data: 'd', ...flags }).warmup;
    expect(warmup({})).toBe('1epoch');
    expect(warmup({ epochs: 2 })).toBe('0.4epochs');
    expect(warmup({ model: 'lenet' })).toBe(0);
    expect(warmup({ schedule: 'one-cycle' })).toBe(0);
    expect(warmup({ warmup: 12 })).toBe(12);
  });

  test('is none in a run from before the option, and read as it was written', () => {
    const recipe = completeRecipe({ dataset: 'folder', data: 'd' });
    const written = JSON.parse(JSON.stringify(recipe)) as Record<string, unknown>;
    expect(parseRecipe('run.json', written)).toEqual(recipe);
    delete written.warmup;
    expect(parseRecipe('run.json', written).warmup).toBe(0);
    expect(() => resumedRecipe(recipe, { warmup: 3 })).toThrow(
      '--warmup 3: the run that is resumed was started with 1epoch',
    );
    expect(() => parseRecipe('run.json', { ...written, warmup: 'x' })).toThrow('run.json: warmup must be');
  });

  test.each(namesOf(SCHEDULES))('rises before %s', (schedule) => {
    const [epochs, stepsPerEpoch] = [10, 20];
    const recipe = completeRecipe({ dataset: 'folder', data: 'd', epochs, schedule, warmup: '1epoch' });
    const rates = curve(buildSchedule(recipe), { epochs, stepsPerEpoch, lr: 1 }).map(
      ({ learningRate }) => learningRate,
    );
    expect(rates[0]).toBeLessThanOrEqual(1 / 20);
    for (let step = 1; step < 20; step++) expect(rates[step]).toBeGreaterThan(rates[step - 1]!);
    expect(rates.every((rate) => rate >= 0 && rate <= 1)).toBe(true);
    if (schedule !== 'one-cycle') expect(rates[20]).toBeGreaterThan(0.9);
  });
});
