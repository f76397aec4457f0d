import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '../../lib/data';
import * as metrics from '../../lib/metrics';
import type * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import {
  checkpoint,
  earlyStopping,
  type BestEpoch,
  type Callback,
  type EarlyStoppingOptions,
  type FitControl,
  type FitEvent,
  type History,
  Snapshot,
  type Trainer,
} from '../../lib/train';
import {
  editState,
  failure,
  smallNet,
  smallTrainer,
  someGlyphs,
  temporaryDirectories,
  weightsDigest,
} from './helpers';

const directory = temporaryDirectories();

/** What early stopping makes of these values of a figure: where it stops, and what it holds for the best. */
async function decide(
  values: readonly number[],
  options: EarlyStoppingOptions = {},
  figure: keyof FitEventRecord = 'validationLoss',
): Promise<{ stopped: number | undefined; best: BestEpoch | undefined }> {
  const stopping = earlyStopping({ restoreBest: false, ...options });
  let epoch = 0;
  let stopped: number | undefined;
  const control = {
    stop: () => void (stopped ??= epoch),
    keepBest: () => undefined,
  } as Pick<FitControl, 'stop' | 'keepBest'> as FitControl;
  const start = { type: 'start', epochs: 99, stepsPerEpoch: 1, step: 0, epoch: 0, parameters: 1 } as const;
  await stopping.onEvent({ ...start, metrics: [figure] }, control);
  for (const value of values) {
    const times = { imagesPerSecond: 1, dataWaitMs: 0, learningRate: 1, seconds: 1 };
    const record = { step: epoch, trainLoss: 0, ...times, epoch: ++epoch, [figure]: value };
    await stopping.onEvent({ type: 'epoch', ...record }, control);
  }
  return { stopped, best: stopping.best };
}
interface FitEventRecord {
  validationLoss: number;
  validationAccuracy: number;
}

describe('the decision', () => {
  test('patience counts epochs in a row without improvement', async () => {
    const { stopped, best } = await decide([5, 4, 4, 3, 3, 3.5, 3, 1], { patience: 3 });
    expect(stopped).toBe(7);
    expect(best).toEqual({ metric: 'validationLoss', epoch: 8, value: 1, smoothed: 1 });
    expect((await decide([1, 2], { patience: 1 })).stopped).toBe(2);
    expect((await decide([3, 2, 1], { patience: 1 })).stopped).toBeUndefined();
  });

  test('no more than minDelta does not count', async () => {
    expect((await decide([4, 3.5, 3, 2.9], { patience: 2, minDelta: 0.5 })).best?.epoch).toBe(3);
    // 3.5 and 3.1 lie 0.5 and 0.9 below 4: slow progress adds up.
    expect((await decide([4, 3.5, 3.1], { patience: 2, minDelta: 0.5 })).best?.epoch).toBe(3);
  });

  test('accuracies rise, and mode says so for other figures', async () => {
    const rising = [0.5, 0.6, 0.6, 0.4];
    const { stopped, best } = await decide(
      rising,
      { metric: 'validationAccuracy', patience: 2 },
      'validationAccuracy',
    );
    expect([stopped, best?.epoch]).toEqual([4, 2]);
    expect((await decide(rising, { mode: 'max', patience: 2 })).best?.epoch).toBe(2);
  });

  test('smoothing is the corrected exponential average, a window the mean of the last values', async () => {
    const values = [3, 1, 2, 2.5];
    const share = 0.6;
    const average = (n: number): number => {
      const weights = values.slice(0, n).map((_, i) => share ** (n - 1 - i));
      const total = weights.reduce((a, b) => a + b);
      return weights.reduce((sum, w, i) => sum + w * values[i]!, 0) / total;
    };
    const smoothed = [1, 2, 3, 4].map(average);
    const lowest = smoothed.indexOf(Math.min(...smoothed));
    const { best } = await decide(values, { smoothing: share });
    expect(best).toMatchObject({ epoch: lowest + 1, value: values[lowest] });
    expect(best!.smoothed).toBeCloseTo(smoothed[lowest]!, 12);
    // Means of two: 3, 2, 1.5, 2.25.
    expect((await decide(values, { window: 2 })).best).toMatchObject({ epoch: 3, value: 2, smoothed: 1.5 });
  });

  test('a figure that is not finite does not count, and leaves the average alone', async () => {
    const { stopped, best } = await decide([NaN, 2, Infinity, NaN, 1], { patience: 3, smoothing: 0.5 });
    expect(stopped).toBeUndefined();
    expect(best!.smoothed).toBeCloseTo((0.5 * 2 + 1) / 1.5, 12);
    expect((await decide([NaN, NaN], { patience: 2 })).stopped).toBe(2);
  });
});

/** A net that fits its 203 images too fast to stay good on others. */
function overfitting(): { trainer: Trainer; model: nn.Module } {
  const trainer = smallTrainer(smallNet(), {
    optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
    schedule: () => 1,
    average: optim.ema({ decay: 0.5 }),
  });
  return { trainer, model: trainer.model };
}

async function halves(): Promise<readonly [Dataset, Dataset]> {
  return (await someGlyphs()).split([150, 53], { seed: 1 });
}

/** Model and average as one digest. */
async function digestOf({ trainer, model }: ReturnType<typeof overfitting>): Promise<string> {
  const copy = smallNet().initialize({ seed: 0 });
  await trainer.average!.copyTo(copy);
  return `${await weightsDigest(model)} ${await weightsDigest(copy)}`;
}

const EPOCHS = 40;
const STOPPING = { patience: 3, smoothing: 0.3 };

interface Whole {
  readonly history: History;
  readonly digests: readonly string[];
  readonly end: string;
}

/** An uninterrupted run, and the digest of its weights after each epoch. */
async function whole(): Promise<Whole> {
  const run = overfitting();
  const [train, validation] = await halves();
  const digests: string[] = [];
  const watching: Callback = {
    async onEvent(event) {
      if (event.type === 'epoch') digests.push(await digestOf(run));
    },
  };
  const callbacks = [watching, earlyStopping(STOPPING)];
  const history = await run.trainer.fit(train, { epochs: EPOCHS, validation, callbacks });
  return { history, digests, end: await digestOf(run) };
}

describe('a run', () => {
  let expected: Whole;
  beforeAll(async () => {
    expected = await whole();
  });

  test('stops, and has the weights, statistics and average of its best epoch', () => {
    const { history, digests, end } = expected;
    expect(history.stopped).toBe('earlyStopping');
    expect(history.epochs.length).toBeLessThan(EPOCHS);
    expect(history.best!.epoch).toBeGreaterThan(2);
    const { metric, epoch, value } = history.best!;
    expect([metric, value]).toEqual(['validationLoss', history.epochs[epoch - 1]!.validationLoss]);
    expect(history.epochs.length - epoch).toBe(STOPPING.patience);
    expect(end).toBe(digests[epoch - 1]);
    expect(new Set(digests).size).toBe(digests.length);
  });

  test.each([
    ['between epochs, early stopping first', [2, 6], true],
    ['between epochs, the checkpoint first', [5], false],
    ['within an epoch', [2.4, 5.6], true],
  ] as const)('interrupted %s and resumed ends the same, bit for bit', async (_, epochs, first) => {
    const [train, validation] = await halves();
    const perEpoch = 5;
    for (const at of epochs) {
      const dir = directory();
      const saving = (): Callback[] => {
        const list = [earlyStopping(STOPPING), checkpoint(dir, { everySteps: 1 })];
        return first ? list : list.reverse();
      };
      const maxSteps = Math.round(at * perEpoch);
      const given = { epochs: EPOCHS, validation };
      const cut = await overfitting().trainer.fit(train, { ...given, maxSteps, callbacks: saving() });
      expect([cut.stopped, cut.steps]).toEqual(['maxSteps', maxSteps]);
      const run = overfitting();
      const history = await run.trainer.fit(train, { ...given, resume: dir, callbacks: saving() });
      expect(await digestOf(run)).toBe(expected.end);
      expect(history.best).toEqual(expected.history.best);
      expect(history.epochs.map((e) => e.validationLoss)).toEqual(
        expected.history.epochs.map((e) => e.validationLoss),
      );
      expect(history.stopped).toBe('earlyStopping');
    }
  });

  test('that stopped and is resumed stops at once; with more patience it goes on from its last weights', async () => {
    const [train, validation] = await halves();
    const dir = directory();
    const given = { epochs: EPOCHS, validation };
    const first = overfitting();
    const stopped = await first.trainer.fit(train, {
      ...given,
      callbacks: [checkpoint(dir), earlyStopping(STOPPING)],
    });
    const again = overfitting();
    const same = await again.trainer.fit(train, {
      ...given,
      resume: dir,
      callbacks: [earlyStopping(STOPPING)],
    });
    expect([same.steps, same.stopped, same.best]).toEqual([stopped.steps, 'earlyStopping', stopped.best]);
    expect(await digestOf(again)).toBe(await digestOf(first));
    const patient = { ...STOPPING, patience: 5 };
    const longer = overfitting();
    await longer.trainer.fit(train, { ...given, callbacks: [earlyStopping(patient)] });
    const later = overfitting();
    await later.trainer.fit(train, { ...given, resume: dir, callbacks: [earlyStopping(patient)] });
    expect(await digestOf(later)).toBe(await digestOf(longer));
  });

  test('with frozen layers is resumed with the same weights, too', async () => {
    const [train, validation] = await halves();
    const make = (): ReturnType<typeof overfitting> => {
      const run = overfitting();
      run.model.freeze('0*');
      return run;
    };
    const dir = directory();
    const given = { epochs: 6, validation };
    const straight = make();
    const callbacks = (): Callback[] => [earlyStopping(STOPPING), checkpoint(dir)];
    const history = await straight.trainer.fit(train, { ...given, callbacks: [earlyStopping(STOPPING)] });
    await make().trainer.fit(train, { ...given, epochs: 3, callbacks: callbacks() });
    const resumed = make();
    const later = await resumed.trainer.fit(train, { ...given, resume: dir, callbacks: callbacks() });
    expect(later.best).toEqual(history.best);
    expect(await digestOf(resumed)).toBe(await digestOf(straight));
  });

  test('without restoreBest, it keeps the last weights', async () => {
    const run = overfitting();
    const [train, validation] = await halves();
    const callbacks = [earlyStopping({ ...STOPPING, restoreBest: false })];
    await run.trainer.fit(train, { epochs: EPOCHS, validation, callbacks });
    expect(await digestOf(run)).toBe(expected.digests.at(-1));
  });

  test('that ends for another reason has the best weights, too; its checkpoint has the last ones', async () => {
    const { digests, history } = expected;
    const epochs = history.best!.epoch + 1;
    const [train, validation] = await halves();
    const dir = directory();
    const run = overfitting();
    const callbacks = [earlyStopping(STOPPING), checkpoint(dir, { everyEpochs: 99 })];
    const done = await run.trainer.fit(train, { epochs, validation, callbacks });
    expect([done.stopped, done.best]).toEqual(['finished', history.best]);
    expect(await digestOf(run)).toBe(digests[epochs - 2]);
    const resumed = overfitting();
    await resumed.trainer.fit(train, { epochs, validation, resume: dir });
    expect(await digestOf(resumed)).toBe(digests[epochs - 1]);
  });
});

describe("fit's metrics", () => {
  test('are those of evaluate, are recorded and resumed, and can be watched', async () => {
    const [train, validation] = await halves();
    const dir = directory();
    const confusion = metrics.running(metrics.confusionMatrix(10));
    const top3 = metrics.running(metrics.topK(3));
    const run = smallTrainer();
    const figure = 'confusionMatrix.macro.f1';
    const callbacks = [earlyStopping({ metric: figure, mode: 'max', restoreBest: false }), checkpoint(dir)];
    const history = await run.fit(train, {
      epochs: 3,
      validation,
      metrics: [confusion, top3],
      callbacks,
    });
    const last = history.epochs.at(-1)!.validationMetrics!;
    await run.evaluate(validation, { metrics: [confusion, top3] });
    const { macro, weighted } = await confusion.value();
    expect(last).toMatchObject({ top3: await top3.value(), [figure]: macro.f1 });
    expect(last['confusionMatrix.weighted.recall']).toBe(weighted.recall);
    expect(Object.values(last).every((value) => typeof value === 'number')).toBe(true);
    const all = history.epochs.map((epoch) => epoch.validationMetrics![figure]!);
    expect(history.best).toMatchObject({ metric: figure, value: Math.max(...all) });
    const resumed = await smallTrainer().fit(train, { epochs: 3, validation, resume: dir });
    expect(resumed.epochs).toEqual(history.epochs);
  });

  test('are checked', async () => {
    const [train, validation] = await halves();
    const top1 = (): metrics.Running => metrics.running(metrics.topK(1));
    const bad = async (options: object): Promise<string> =>
      (await failure(async () => smallTrainer().fit(train, { epochs: 1, ...options }))).message;
    expect(await bad({ metrics: [top1()] })).toContain('metrics are measured on the validation set');
    expect(await bad({ validation, metrics: [top1(), top1()] })).toContain('two of the name "top1"');
    expect(await bad({ validation, metrics: [metrics.topK(1)] })).toContain('metrics.running()');
  });
});

describe('bad input', () => {
  test.each([
    [{ patience: 0 }, 'patience must be a positive integer, got 0'],
    [{ minDelta: -1 }, 'minDelta must be a finite number of at least 0'],
    [{ smoothing: 1 }, 'smoothing must be a number from 0 to below 1, got 1'],
    [{ smoothing: 0.5, window: 3 }, 'smoothing and window exclude each other'],
    [{ mode: 'auto' }, 'mode must be one of "min", "max"'],
    [{ metric: 'top5' }, `say mode: 'min' or 'max' for "top5"`],
    [{ metric: 'validationLos' }, 'did you mean "validationLoss"?'],
    [{ monitor: 'x' }, 'unknown option "monitor" (did you mean "metric"?)'],
  ])('%j', (options, message) => {
    expect(() => earlyStopping(options as EarlyStoppingOptions)).toThrow(message);
  });

  test('a figure that no epoch has is named before the first step', async () => {
    const [train, validation] = await halves();
    const steps = jest.fn();
    const refused = async (options: EarlyStoppingOptions, more: object = {}): Promise<string> => {
      const callbacks = [earlyStopping(options), { everySteps: 1, onSteps: steps }];
      const error = await failure(async () => smallTrainer().fit(train, { epochs: 1, ...more, callbacks }));
      expect(error.code).toBe('ERR_TENON_OPTION');
      return error.message;
    };
    expect(await refused({})).toContain(
      'no epoch of this run reports "validationLoss"; known: trainLoss, trainAccuracy; fit has no validation set',
    );
    const top3 = [metrics.running(metrics.topK(3))];
    expect(await refused({ metric: 'topp3', mode: 'max' }, { validation, metrics: top3 })).toContain(
      'reports "topp3" (did you mean "top3"?)',
    );
    expect(steps).not.toHaveBeenCalled();
  });

  test('callbacks with a state need a name of their own', async () => {
    const [train, validation] = await halves();
    const refused = async (callbacks: unknown[]): Promise<string> => {
      const options = { epochs: 1, validation, callbacks: callbacks as Callback[] };
      return (await failure(async () => smallTrainer().fit(train, options))).message;
    };
    const part = { onEvent: () => undefined, state: () => ({ data: null }) };
    const whole = { ...part, restore: () => undefined };
    expect(await refused([earlyStopping(), earlyStopping()])).toContain(
      "two callbacks with a state are called 'earlyStopping'",
    );
    expect(await refused([part])).toContain('must have both state and restore');
    expect(await refused([whole])).toContain('has a state, so its name must be');
    expect(await refused([{ ...whole, name: 'a/b' }])).toContain('got "a/b"');
    const two = [earlyStopping(), earlyStopping({ name: 'second', metric: 'trainLoss' })];
    await smallTrainer().fit(train, { epochs: 1, validation, callbacks: two });
  });

  test('a state that JSON would change is refused when it is saved', async () => {
    const [train] = await halves();
    const dir = directory();
    const loop: unknown[] = [];
    loop.push(loop);
    for (const data of [NaN, undefined, { a: [1n] }, () => 0, loop]) {
      const state = (): { data: never } => ({ data: data as never });
      const callbacks = [
        { name: 'mine', onEvent: () => undefined, state, restore: () => undefined },
        checkpoint(dir),
      ];
      const error = await failure(() => smallTrainer().fit(train, { epochs: 1, callbacks }));
      expect(error).toMatchObject({ code: 'ERR_TENON_OPTION', message: expect.stringContaining('mine') });
    }
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('states in a checkpoint', () => {
  type State = Record<'callbacks', Record<string, Record<string, unknown>>>;

  async function saved(): Promise<string> {
    const [train, validation] = await halves();
    const dir = directory();
    const callbacks = [earlyStopping(STOPPING), checkpoint(dir)];
    await overfitting().trainer.fit(train, { epochs: 2, validation, callbacks });
    return dir;
  }

  async function resume(dir: string, callbacks: Callback[] = [earlyStopping(STOPPING)]): Promise<string[]> {
    const [train, validation] = await halves();
    const run = overfitting();
    const warnings: string[] = [];
    const listening: Callback = {
      onEvent: (event: FitEvent) => void (event.type === 'warning' && warnings.push(event.message)),
    };
    const options = { epochs: 3, validation, resume: dir, callbacks: [...callbacks, listening] };
    try {
      await run.trainer.fit(train, options);
    } catch (error) {
      const fresh = smallNet().initialize({ seed: 3 });
      expect(await weightsDigest(run.model)).toBe(await weightsDigest(fresh));
      throw error;
    }
    return warnings;
  }

  test('that are damaged are refused, and nothing is changed', async () => {
    const dir = await saved();
    const file = join(dir, 'checkpoint-10', 'state.json');
    const changes: Record<string, unknown>[] = [
      { best: 3 },
      { best: { epoch: -1, value: 0, smoothed: 0 } },
      { waited: 0.5 },
      { smoothed: null },
      { smoothed: { sum: 0, weight: 0, recent: ['x'] } },
      { weights: [] },
      { weights: { count: 2 ** 60, statistics: 0 } },
      { weights: { count: 0, statistics: 0 } },
      { metric: 7 },
    ];
    for (const change of changes) {
      let before: State | undefined;
      editState<State>(file, (state) => {
        before = state;
        const own = { ...state.callbacks.earlyStopping, ...change };
        return { ...state, callbacks: { earlyStopping: own } };
      });
      const error = await failure(() => resume(dir));
      expect([change, error.code]).toEqual([change, 'ERR_TENON_FORMAT']);
      editState<State>(file, () => before!);
    }
    editState<object>(file, (state) => ({ ...state, callbacks: 1 }));
    expect((await failure(() => resume(dir))).code).toBe('ERR_TENON_FORMAT');
  });

  test('of another figure, or without the weights that are wanted, are refused by name', async () => {
    const dir = await saved();
    const other = await failure(() => resume(dir, [earlyStopping({ metric: 'trainLoss' })]));
    expect(other).toMatchObject({ code: 'ERR_TENON_OPTION' });
    expect(other.message).toContain('watched metric validationLoss, this one watches trainLoss');
    const [train, validation] = await halves();
    const bare = directory();
    const callbacks = [earlyStopping({ restoreBest: false }), checkpoint(bare)];
    await overfitting().trainer.fit(train, { epochs: 2, validation, callbacks });
    expect(readdirSync(join(bare, 'checkpoint-10'))).not.toContain('callbacks.safetensors');
    expect((await failure(() => resume(bare))).message).toContain('kept no best weights');
  });

  test('are forgotten where the run that takes them back does not begin', async () => {
    const [train, validation] = await halves();
    const dir = directory();
    const other = (restore: () => void): Callback => {
      return { name: 'other', onEvent: () => undefined, state: () => ({ data: null }), restore };
    };
    const saving = [earlyStopping(STOPPING), other(() => undefined), checkpoint(dir)];
    await overfitting().trainer.fit(train, { epochs: 2, validation, callbacks: saving });
    const stopping = earlyStopping(STOPPING);
    const refusing = other(() => {
      throw new Error('not this one');
    });
    expect((await failure(() => resume(dir, [stopping, refusing]))).message).toBe('not this one');
    const { trainer } = overfitting();
    const { best } = await trainer.fit(train, { epochs: 1, validation, callbacks: [stopping] });
    expect(best?.epoch).toBe(1);
  });

  test('that nobody takes, and callbacks that find none, are warned about', async () => {
    const dir = await saved();
    expect(await resume(dir, [])).toEqual([expect.stringContaining('a state of the callback earlyStopping')]);
    const [train, validation] = await halves();
    const plain = directory();
    await overfitting().trainer.fit(train, { epochs: 1, validation, callbacks: [checkpoint(plain)] });
    expect(await resume(plain)).toEqual([expect.stringContaining('earlyStopping: it begins anew')]);
  });

  test("a callback's own state goes through a checkpoint", async () => {
    const [train] = await halves();
    const dir = directory();
    const counter = (): Callback & { epochs: number } => ({
      name: 'counter',
      epochs: 0,
      onEvent(event) {
        if (event.type === 'epoch') this.epochs++;
      },
      state() {
        return { data: { epochs: this.epochs } };
      },
      restore({ data }) {
        this.epochs = (data as { epochs: number }).epochs;
      },
    });
    const first = counter();
    await smallTrainer().fit(train, { epochs: 2, callbacks: [checkpoint(dir), first] });
    const second = counter();
    await smallTrainer().fit(train, { epochs: 3, resume: dir, callbacks: [second] });
    expect([first.epochs, second.epochs]).toEqual([2, 3]);
  });
});

test('a callback may end training with a reason of its own, and keep weights', async () => {
  const [train] = await halves();
  let kept: Snapshot | undefined;
  let digest = '';
  const trainer = smallTrainer();
  const choosy: Callback = {
    async onEvent(event, control) {
      if (event.type !== 'epoch') return;
      if (event.epoch === 2) {
        kept = await control.snapshot();
        digest = await weightsDigest(trainer.model);
        control.keepBest({ metric: 'trainLoss', epoch: 2, value: 1, smoothed: 1 }, kept);
      }
      if (event.epoch === 3) control.stop('good enough');
    },
  };
  const history = await trainer.fit(train, { epochs: 9, callbacks: [choosy] });
  expect([history.stopped, history.epochs.length, history.best?.epoch]).toEqual(['good enough', 3, 2]);
  expect(kept).toBeInstanceOf(Snapshot);
  expect(await weightsDigest(trainer.model)).toBe(digest);
});

test('one early stopping cannot follow two runs at once', async () => {
  const [train, validation] = await halves();
  const callbacks = [earlyStopping()];
  const running = smallTrainer().fit(train, { epochs: 1, validation, callbacks });
  const error = await failure(async () => smallTrainer().fit(train, { epochs: 1, validation, callbacks }));
  expect(error).toMatchObject({ code: 'ERR_TENON_BUSY' });
  await running;
});
