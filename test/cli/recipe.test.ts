import { augmentations } from '../../lib/augment/registry';
import { buildModel, buildTrainer } from '../../lib/cli/build-trainer';
import { DATASETS } from '../../lib/cli/datasets';
import { spelled, type Flag } from '../../lib/cli/flags';
import { namesOf } from '../../lib/cli/names';
import { NETWORKS } from '../../lib/cli/networks';
import * as data from '../../lib/data';
import { optimizers } from '../../lib/optim';
import {
  completeRecipe,
  parseRecipe,
  resumedRecipe,
  SETTINGS,
  type Recipe,
  type RecipeFlags,
} from '../../lib/cli/recipe';
import { scaledRate } from '../../lib/cli/scaling';
import { buildSchedule, SCHEDULES } from '../../lib/cli/schedules';
import { checkWarmup } from '../../lib/cli/warmup';
import { curve } from '../../lib/schedules';
import { tenon } from './support';

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

describe('settings', () => {
  test('have a default for every choice, and come back from run.json as they were', () => {
    for (const dataset of namesOf(DATASETS))
      for (const model of namesOf(NETWORKS))
        for (const optimizer of namesOf(optimizers))
          for (const schedule of ['cosine', 'one-cycle'] as const) {
            const data = DATASETS[dataset].from === 'nothing' ? {} : { data: 'd' };
            const recipe = completeRecipe({ dataset, model, optimizer, schedule, ...data });
            expect(Object.keys(recipe)).toEqual(Object.keys(SETTINGS));
            expect(Object.values(recipe)).not.toContain(undefined);
            expect(parseRecipe('run.json', JSON.parse(JSON.stringify(recipe)))).toEqual(recipe);
          }
  });

  test('pretrained weights begin with a tenth of the learning rate', () => {
    const rate = (more: Partial<RecipeFlags>): number => completeRecipe({ dataset: 'glyphs', ...more }).lr;
    for (const more of [{ model: 'resnet18' }, { model: 'lenet', optimizer: 'adam' }] as const)
      expect(rate({ ...more, pretrained: 'f' })).toBe(rate(more) / 10);
    expect(rate({ pretrained: 'f', lr: 0.3 })).toBe(0.3);
  });

  test('are all in the help, each by its line', async () => {
    const help = (await tenon('train', '--help')).out.replaceAll(/\s+/g, ' ');
    for (const [name, { doc, take, alone }] of Object.entries<Flag>(SETTINGS)) {
      const value = alone === undefined ? `<${take}> ` : `[${take}] `;
      expect(help).toContain(`${spelled(name)} ${take === undefined ? '' : value}${doc}`);
    }
    expect(help).toContain('examples per step (default: by model)');
    expect(help).toContain('p=0.5): crop, ');
    for (const name of Object.keys(augmentations)) expect(help).toContain(` ${name}`);
    expect(help).toContain('momentum (default: 0.9 for sgd, lars; 0 for rmsprop)');
    expect(help).toContain('examples that do not fill a batch (default: even): even, keep, drop');
  });

  test('of the first version of run.json go on as it meant them', () => {
    const complete = completeRecipe({ dataset: 'folder', data: 'd', imageSize: 8 });
    // Settings that came later say what they mean where they are absent.
    const there = Object.entries(complete).filter(
      ([name]) => (SETTINGS as Record<string, Flag>)[name]!.absent === undefined,
    );
    const first: Record<string, unknown> = Object.fromEntries(there);
    expect(parseRecipe('run.json', { ...first, finished: true })).toEqual({
      ...first,
      ...{ fromStudy: null, trial: null },
      ...{
        resize: null,
        keep: null,
        testTimeAugment: null,
        scales: null,
        onError: 'throw',
        limits: {},
        lastBatch: 'keep',
        warmup: 0,
        precision: 'fp32',
        shards: 1,
        syncBatchNorm: false,
        lrBaseBatch: null,
      },
      ...{ sampler: null, loss: 'cross-entropy', labelSmoothing: 0, focalGamma: 2, classWeights: null },
      ...{ earlyStopping: null, patience: 10, minDelta: 0, smoothing: 0 },
      ...{ pretrained: null, freeze: [], unfreezeEvery: null, layerDecay: 1 },
      ...{ l1: 0, l2: 0, maxNorm: null, dropout: null, stochasticDepth: null },
      ...{ mixup: null, cutmix: null },
    });
    for (const name of Object.keys(first))
      expect(() => parseRecipe('run.json', { ...first, [name]: undefined })).toThrow(
        new RegExp(`^run.json: ${name} must be .*, got undefined`),
      );
  });

  test('may change on resuming where that leaves the run what it is', () => {
    const kept = completeRecipe({ dataset: 'folder', data: 'd', earlyStopping: 'validationLoss' });
    const given = { data: 'e', epochs: 3, limits: { maxPixels: 9 }, patience: 20, minDelta: 0.01 };
    expect(resumedRecipe(kept, given)).toEqual({ ...kept, ...given });
    for (const name of Object.keys(SETTINGS).filter((each) => !(each in given)))
      expect(() => resumedRecipe(kept, { [name]: 'other' })).toThrow(`${spelled(name)} other: the run that`);
  });

  test('have their types', () => {
    const recipe: Recipe = completeRecipe({ augment: ['flip'], imageSize: null });
    const epochs: number = recipe.epochs;
    // @ts-expect-error: null where it was not given
    const size: number = recipe.imageSize;
    // @ts-expect-error: no such model
    const model: RecipeFlags = { model: 'lenet6' };
    // @ts-expect-error: no such setting
    const setting: RecipeFlags = { epoch: 3 };
    expect([epochs, model, setting]).toBeDefined();
    expect(size).toBeNull();
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

  test('of a rate for smaller batches rises from that rate', async () => {
    const large = {
      dataset: 'folder',
      data: 'd',
      epochs: 30,
      batchSize: 1024,
      lr: 0.1,
      lrBaseBatch: 128,
    } as const;
    const rates = (flags: RecipeFlags, stepsPerEpoch = 2): number[] => {
      const recipe = completeRecipe({ ...large, schedule: 'constant', ...flags });
      const lr = scaledRate(recipe.lr, recipe);
      return curve(buildSchedule(recipe), { epochs: 6, stepsPerEpoch, lr }).map(
        (point) => point.learningRate,
      );
    };
    const near = (numbers: readonly number[]): unknown =>
      numbers.map((n) => expect.closeTo(n, 12) as unknown);
    // 8 times the batch: from 0.1 to 0.8.
    expect(rates({ warmup: 4 }).slice(0, 6)).toEqual(near([0.275, 0.45, 0.625, 0.8, 0.8, 0.8]));
    expect(rates({}).slice(0, 2)).toEqual(near([0.17, 0.24])); // ten steps in five epochs
    expect(rates({ warmup: 0 })[0]).toBeCloseTo(0.8, 12);
    // Half the batch: half the rate, which a warm-up reaches from nothing.
    expect(rates({ batchSize: 64, warmup: 2 }).slice(0, 3)).toEqual(near([0.025, 0.05, 0.05]));
    const recipe = completeRecipe({ ...large, model: 'mlp' });
    const glyphs = (await data.glyphs({ trainCount: 10, testCount: 1 })).train;
    expect(buildTrainer(recipe, buildModel(recipe, glyphs), glyphs).optimizer.lr).toBeCloseTo(0.8, 12);
    expect(completeRecipe({ ...large, epochs: 10 }).warmup).toBe('2epochs');
    expect(completeRecipe({ ...large, model: 'lenet' }).warmup).toBe('5epochs');
    expect(completeRecipe({ ...large, schedule: 'one-cycle' }).warmup).toBe(0);
    expect(() => resumedRecipe(completeRecipe(large), { lrBaseBatch: 256 })).toThrow(
      '--lr-base-batch 256: the run that is resumed was started with 128',
    );
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
