import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fromFeatures, type Dataset } from '../../lib/data';
import { TenonError } from '../../lib/errors';
import { hinge, mse } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { cosine } from '../../lib/schedules';
import { checkpoint, Trainer, type Callback, type FitEvent } from '../../lib/train';
import { uniform } from '../fixtures/numbers';
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

/** Four epochs without interruption. */
async function reference(): Promise<{ digest: string; losses: number[] }> {
  const trainer = smallTrainer();
  const { epochs } = await trainer.fit(await someGlyphs(), { epochs: 4 });
  return { digest: await weightsDigest(trainer.model), losses: epochs.map((e) => e.trainLoss) };
}

describe('resume', () => {
  test.each([
    ['between epochs', 14, {}],
    ['within an epoch', 17, { everySteps: 17 }],
    ['at the last batch of an epoch', 21, { everySteps: 21 }],
  ])('%s gives the same bits', async (_, maxSteps, options) => {
    const dir = directory();
    await smallTrainer().fit(await someGlyphs(), {
      epochs: 4,
      maxSteps,
      callbacks: [checkpoint(dir, options)],
    });
    const trainer = smallTrainer(smallNet(), {});
    const { epochs, steps } = await trainer.fit(await someGlyphs(), { epochs: 4, resume: dir });
    const { digest, losses } = await reference();
    expect(steps).toBe(28);
    expect(epochs.map((e) => e.trainLoss)).toEqual(losses);
    expect(epochs.every((e) => e.trainAccuracy !== undefined)).toBe(true);
    expect(await weightsDigest(trainer.model)).toBe(digest);
  });

  test('with layers that have weights of their own kinds gives the same bits, and a file that is rebuilt', async () => {
    const net = (): nn.Module =>
      nn.namedSequential({
        stem: nn.conv2d(1, 4, { kernel: 3, stride: 4 }),
        regions: nn.fractionalMaxPool2d('overlapping', { outputRatio: 0.72, sequence: 'random' }),
        up: nn.convTranspose2d(4, 4, { kernel: 3, stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
        prelu: nn.prelu({ features: 4 }),
        branches: nn.concat(nn.identity(), nn.depthwiseConv2d(4, { kernel: 3, padding: 1 })),
        block: nn.residual(nn.conv2d(8, 8, { kernel: 3, padding: 1 }), nn.mish()),
        deep: nn.sequential(nn.cifarBlock(8, 16, { stride: 2 }), nn.residualBlock(16, 16)),
        fixup: nn.fixupBlock(16, 16, { blocks: 3 }),
        bottleneck: nn.bottleneck(16, 4, { stride: 2 }),
        windows: nn.fractionalMaxPool2d(1, { outputSize: [2, 3] }),
        pool: nn.adaptiveMaxPool2d([2, 3]),
        pools: nn.concat(nn.adaptiveAvgPool2d(1), nn.globalMaxPool2d()),
        flatten: nn.flatten(),
        fc: nn.linear(32, 10),
      });
    const dir = directory();
    const options = { loss: hinge({ p: 2 }) };
    const whole = smallTrainer(net(), options);
    await whole.fit(await someGlyphs(), { epochs: 2 });
    await smallTrainer(net(), options).fit(await someGlyphs(), {
      epochs: 2,
      maxSteps: 9,
      callbacks: [checkpoint(dir, { everySteps: 9 })],
    });
    const resumed = smallTrainer(net(), options);
    await resumed.fit(await someGlyphs(), { epochs: 2, resume: dir });
    expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(whole.model));
    await whole.model.save(join(dir, 'model.safetensors'));
    const again = await nn.load(join(dir, 'model.safetensors'));
    expect(await weightsDigest(again)).toBe(await weightsDigest(whole.model));
  });

  test.each(['fp32', 'bf16'] as const)('with every norm gives the same bits in %s', async (precision) => {
    const net = (): nn.Module =>
      nn.sequential(
        nn.conv2d(1, 8, { kernel: 3, stride: 3, bias: false, weightStandardization: true }),
        nn.groupNorm(2, 8),
        nn.relu(),
        nn.conv2d(8, 8, { kernel: 3, stride: 2 }),
        nn.instanceNorm2d(8, { affine: true, trackRunningStats: true }),
        nn.relu(),
        nn.conv2d(8, 8, { kernel: 3, padding: 1 }),
        nn.batchNorm2d(8),
        nn.layerNorm([8, 4, 4]),
        nn.flatten(),
        nn.linear(128, 16),
        nn.batchNorm1d(16),
        nn.linear(16, 10),
      );
    const dir = directory();
    const glyphs = await someGlyphs();
    const whole = smallTrainer(net(), { precision });
    const { epochs } = await whole.fit(glyphs, { epochs: 3 });
    expect(epochs[2]!.trainLoss).toBeLessThan(epochs[0]!.trainLoss);
    const callbacks = [checkpoint(dir, { everySteps: 10 })];
    await smallTrainer(net(), { precision }).fit(glyphs, { epochs: 3, maxSteps: 10, callbacks });
    const resumed = smallTrainer(net(), { precision });
    await resumed.fit(glyphs, { epochs: 3, resume: dir });
    expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(whole.model));
  });

  test('of a finished run changes nothing, and more epochs go on', async () => {
    const dir = directory();
    const first = smallTrainer();
    await first.fit(await someGlyphs(), { epochs: 2, callbacks: [checkpoint(dir)] });
    const again = smallTrainer();
    const history = await again.fit(await someGlyphs(), { epochs: 2, resume: dir });
    expect(history.epochs).toHaveLength(2);
    expect(await weightsDigest(again.model)).toBe(await weightsDigest(first.model));
    expect((await smallTrainer().fit(await someGlyphs(), { epochs: 3, resume: dir })).steps).toBe(21);
  });

  test('after a validation loss that is not finite', async () => {
    const make = (): Trainer =>
      new Trainer(nn.linear(1, 1), { loss: mse(), optimizer: optim.sgd({ lr: 0.1 }) });
    const rows = (targets: number[]): Promise<Dataset> =>
      fromFeatures({
        inputs: Float32Array.from(targets, () => 1),
        shape: [1],
        targets: Float32Array.from(targets),
        targetShape: [1],
      });
    const [train, validation] = [await rows([1, 2, 3, 4]), await rows([1e30, 1e30])];
    const dir = directory();
    await make().fit(train, { epochs: 1, validation, callbacks: [checkpoint(dir)] });
    const { epochs } = await make().fit(train, { epochs: 2, validation, resume: dir });
    expect(epochs.map((e) => e.validationLoss)).toEqual([Infinity, Infinity]);
  });

  test('of an epoch whose last step was saved reports the rate of that step', async () => {
    const make = (): Trainer => smallTrainer(smallNet(), { schedule: cosine() });
    const dir = directory();
    const options = { epochs: 3, maxSteps: 7 };
    const callbacks = [checkpoint(dir, { everySteps: 7, everyEpochs: 99, keep: 1 })];
    const whole = await make().fit(await someGlyphs(), { ...options, callbacks });
    const saved = readdirSync(dir).find((name) => name.startsWith('checkpoint-'))!;
    const state = readFileSync(join(dir, saved, 'state.json'), 'utf8');
    expect(JSON.parse(state).position).toMatchObject({ step: 7, position: 7 });
    const { epochs } = await make().fit(await someGlyphs(), { epochs: 3, resume: dir });
    expect(epochs[0]!.learningRate).toBe(whole.epochs[0]!.learningRate);
  });

  test('that is refused leaves the model as it was', async () => {
    const dir = directory();
    await smallTrainer().fit(await someGlyphs(), { epochs: 1, callbacks: [checkpoint(dir)] });
    const other = smallTrainer(smallNet().initialize({ seed: 9 }), { optimizer: optim.sgd({ lr: 0.1 }) });
    const before = await weightsDigest(other.model);
    const glyphs = await someGlyphs();
    expect((await failure(() => other.fit(glyphs, { epochs: 2, resume: dir }))).code).toBe(
      'ERR_TENON_FORMAT',
    );
    expect(await weightsDigest(other.model)).toBe(before);
  });

  test('of a trainer that has trained gives the bits of a new one', async () => {
    const dir = directory();
    const atStart: Callback = {
      async onEvent(event, control) {
        if (event.type === 'start') await control.saveCheckpoint(dir);
      },
    };
    const adam = (): Trainer => smallTrainer(smallNet(), { optimizer: optim.adam() });
    const used = adam();
    await used.fit(await someGlyphs(), { epochs: 1, callbacks: [atStart] });
    await used.fit(await someGlyphs(), { epochs: 1, resume: dir });
    const fresh = adam();
    await fresh.fit(await someGlyphs(), { epochs: 1 });
    expect(await weightsDigest(used.model)).toBe(await weightsDigest(fresh.model));
  });

  test('keeps the newest checkpoints only, and clears up after a killed save', async () => {
    const dir = directory();
    writeFileSync(join(dir, '.saving-0123'), 'x');
    await smallTrainer().fit(await someGlyphs(), { epochs: 4, callbacks: [checkpoint(dir, { keep: 3 })] });
    expect(readdirSync(dir).sort()).toEqual(['checkpoint-14', 'checkpoint-21', 'checkpoint-28', 'latest']);
    expect(readdirSync(join(dir, 'checkpoint-28')).sort()).toEqual([
      'model.safetensors',
      'optimizer.safetensors',
      'state.json',
    ]);
  });
});

describe('a checkpoint', () => {
  test('that nobody waits for is of one moment all the same', async () => {
    const dir = directory();
    const careless: Callback = {
      onEvent(event, control) {
        if (event.type === 'epoch' && event.epoch === 1) void control.saveCheckpoint(dir);
      },
    };
    await smallTrainer().fit(await someGlyphs(), { epochs: 4, callbacks: [careless] });
    const trainer = smallTrainer();
    await trainer.fit(await someGlyphs(), { epochs: 4, resume: dir });
    expect(await weightsDigest(trainer.model)).toBe((await reference()).digest);
  });

  test('may be saved by a callback of a step that another save waits for', async () => {
    const dir = directory();
    let saves = 0;
    const eager: Callback = {
      async onEvent(event, control) {
        if (event.type !== 'step' || saves >= 4) return;
        saves++;
        await Promise.all([control.saveCheckpoint(dir), control.saveCheckpoint(dir)]);
      },
      everySteps: 2,
      onSteps: async (_step, control) => void (await control.saveCheckpoint(dir)),
    };
    await smallTrainer().fit(await someGlyphs(), { epochs: 1, callbacks: [eager] });
    expect(saves).toBeGreaterThan(0);
  });

  test('is made where training ends, once', async () => {
    const dir = directory();
    const stopper: Callback = {
      everySteps: 10,
      onSteps: (_step, control) => control.stop(),
    };
    await smallTrainer().fit(await someGlyphs(), {
      epochs: 4,
      callbacks: [checkpoint(dir, { everyEpochs: 3 }), stopper],
    });
    expect(readdirSync(dir).sort()).toEqual(['checkpoint-10', 'latest']);
    const again = [checkpoint(dir, { everyEpochs: 3 })];
    await smallTrainer().fit(await someGlyphs(), { epochs: 3, resume: dir, callbacks: again });
    expect(readdirSync(dir).sort()).toEqual(['checkpoint-10', 'checkpoint-21', 'latest']);
    await smallTrainer().fit(await someGlyphs(), { epochs: 3, resume: dir, callbacks: again });
    expect(readdirSync(dir).sort()).toEqual(['checkpoint-10', 'checkpoint-21', 'latest']);
  });

  test('deletes only what checkpoints are called, and what is there', async () => {
    const dir = directory();
    mkdirSync(join(dir, 'checkpoint-best'));
    writeFileSync(join(dir, 'checkpoint-notes.txt'), 'mine');
    symlinkSync(join(dir, 'gone'), join(dir, 'checkpoint-1'));
    await smallTrainer().fit(await someGlyphs(), { epochs: 3, callbacks: [checkpoint(dir, { keep: 1 })] });
    expect(readdirSync(dir).sort()).toEqual([
      'checkpoint-1',
      'checkpoint-21',
      'checkpoint-best',
      'checkpoint-notes.txt',
      'latest',
    ]);
  });
});

describe('two runs in one directory', () => {
  test('the second is refused before it trains, and the first is not disturbed', async () => {
    const dir = directory();
    const link = join(directory(), 'link');
    symlinkSync(dir, link);
    const glyphs = await someGlyphs();
    const saving = [checkpoint(dir, { everySteps: 3 })];
    const first = smallTrainer();
    // Callbacks are called in order: when this one is, the first run has its lock. It waits, so as not to
    // end before the others ask.
    let hasLock = (): void => undefined;
    let othersAreRefused = (): void => undefined;
    const locked = new Promise<void>((resolve) => (hasLock = resolve));
    const refused = new Promise<void>((resolve) => (othersAreRefused = resolve));
    const waiting: Callback = {
      async onEvent(event) {
        if (event.type !== 'start') return;
        hasLock();
        await refused;
      },
    };
    const running = first.fit(glyphs, { epochs: 4, callbacks: [...saving, waiting] });
    await locked;
    for (const path of [dir, link]) {
      const second = smallTrainer();
      const steps = jest.fn();
      const callbacks = [checkpoint(path), { everySteps: 1, onSteps: steps }];
      const error = await failure(() => second.fit(glyphs, { epochs: 4, callbacks }));
      expect(error.code).toBe('ERR_TENON_BUSY');
      expect(error.message).toContain(`in use by another run of this process (process ${process.pid} on`);
      expect(steps).not.toHaveBeenCalled();
    }
    othersAreRefused();
    await running;
    expect(await weightsDigest(first.model)).toBe((await reference()).digest);
    expect(readdirSync(dir).sort()).toEqual(['checkpoint-27', 'checkpoint-28', 'latest']);
    await smallTrainer().fit(glyphs, { epochs: 5, resume: dir, callbacks: saving });
  });

  test('a run that fails lets go, and one may save by a link as well', async () => {
    const dir = directory();
    const link = join(directory(), 'link');
    symlinkSync(dir, link);
    const failing: Callback = {
      async onEvent(event, control) {
        if (event.type !== 'epoch') return;
        await control.saveCheckpoint(link);
        throw new Error('enough');
      },
    };
    const callbacks = [checkpoint(dir), failing];
    await expect(smallTrainer().fit(await someGlyphs(), { epochs: 2, callbacks })).rejects.toThrow('enough');
    expect(readdirSync(dir).sort()).toEqual(['checkpoint-7', 'checkpoint-7-1', 'latest']);
    await smallTrainer().fit(await someGlyphs(), { epochs: 2, resume: dir, callbacks: [checkpoint(dir)] });
  });
});

describe('a damaged checkpoint', () => {
  const damage: [string, string, (file: string) => void][] = [
    ['a truncated model', 'model.safetensors', (file) => truncateSync(file, 100)],
    ['a flipped bit', 'optimizer.safetensors', flipLastBit],
    ['a truncated state', 'state.json', (file) => truncateSync(file, 50)],
    ['an empty state', 'state.json', (file) => writeFileSync(file, '{"form":1}')],
    ['an unknown form', 'state.json', (file) => writeFileSync(file, '{"form":2}')],
    ['a lost state', 'state.json', (file) => rmSync(file)],
  ];

  test.each(damage)('%s is a FormatError that changes nothing', async (_, name, spoil) => {
    const dir = directory();
    const glyphs = await someGlyphs();
    await smallTrainer().fit(glyphs, { epochs: 2, callbacks: [checkpoint(dir)] });
    spoil(join(dir, 'checkpoint-14', name));
    const trainer = smallTrainer();
    const error = await failure(() => trainer.fit(glyphs, { epochs: 4, resume: dir }));
    expect(error.code).toBe('ERR_TENON_FORMAT');
    expect(error.message).toContain('checkpoint-14');
    expect(await weightsDigest(trainer.model)).toBe(await weightsDigest(smallNet().initialize({ seed: 3 })));
    // The one before it is whole, and can be named.
    expect((await trainer.fit(glyphs, { epochs: 2, resume: join(dir, 'checkpoint-7') })).steps).toBe(14);
  });

  function flipLastBit(file: string): void {
    const bytes = readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
  }

  test('a missing one, one of another seed, optimizer or batch size are told apart', async () => {
    const dir = directory();
    const glyphs = await someGlyphs();
    expect(
      (await failure(() => smallTrainer().fit(glyphs, { epochs: 1, resume: join(dir, 'none') }))).code,
    ).toBe('ERR_TENON_DATA');
    expect((await failure(() => smallTrainer().fit(glyphs, { epochs: 1, resume: dir }))).message).toContain(
      'holds no checkpoint',
    );
    writeFileSync(join(dir, 'latest'), '../../etc\n');
    expect((await failure(() => smallTrainer().fit(glyphs, { epochs: 1, resume: dir }))).code).toBe(
      'ERR_TENON_FORMAT',
    );
    await smallTrainer().fit(glyphs, {
      epochs: 2,
      maxSteps: 3,
      callbacks: [checkpoint(dir, { everySteps: 3 })],
    });
    const seed = await failure(() =>
      smallTrainer(smallNet(), { seed: 9 }).fit(glyphs, { epochs: 2, resume: dir }),
    );
    expect(seed).toMatchObject({ code: 'ERR_TENON_OPTION' });
    const size = await failure(() => smallTrainer().fit(glyphs, { epochs: 2, batchSize: 16, resume: dir }));
    expect(size.message).toContain('batchSize 32, this run has 16');
  });

  test('a directory that cannot be written is an IoError', async () => {
    const dir = directory();
    writeFileSync(join(dir, 'file'), '');
    const callbacks = [checkpoint(join(dir, 'file', 'below'))];
    const error = await failure(async () => smallTrainer().fit(await someGlyphs(), { epochs: 1, callbacks }));
    expect(error.code).toBe('ERR_TENON_IO');
  });
});

test('a checkpoint of an earlier version, without a checksum, is taken with a warning', async () => {
  const dir = directory();
  const glyphs = await someGlyphs();
  await smallTrainer().fit(glyphs, { epochs: 1, callbacks: [checkpoint(dir)] });
  const file = join(dir, 'checkpoint-7', 'state.json');
  const { checksum, ...state } = JSON.parse(readFileSync(file, 'utf8')) as { checksum: string };
  expect(checksum).toMatch(/^[0-9a-f]{64}$/);
  writeFileSync(file, JSON.stringify({ ...state, form: 1 }));
  const warnings: string[] = [];
  const onEvent = (event: FitEvent): void => void (event.type === 'warning' && warnings.push(event.message));
  await smallTrainer().fit(glyphs, { epochs: 2, resume: dir, callbacks: [{ onEvent }] });
  expect(warnings).toEqual([expect.stringContaining('without a checksum of state.json')]);
  // A new checkpoint from which it was taken away does not count as an earlier one.
  writeFileSync(file, JSON.stringify(state));
  const error = await failure(() => smallTrainer().fit(glyphs, { epochs: 2, resume: dir }));
  expect(error).toMatchObject({ code: 'ERR_TENON_FORMAT', message: expect.stringContaining('form 2') });
});

test('of edited checkpoints, each is refused or gives the same bits', async () => {
  const dir = directory();
  const glyphs = await someGlyphs();
  const saving = [checkpoint(dir, { everySteps: 9, everyEpochs: 99, keep: 2 })];
  await smallTrainer().fit(glyphs, { epochs: 4, maxSteps: 18, callbacks: saving });
  const { digest } = await reference();
  const last = join(dir, 'checkpoint-18');
  const files = ['state.json', 'model.safetensors', 'optimizer.safetensors'].map((name) => join(last, name));
  const targets = [files[0]!, files[0]!, ...files, join(dir, 'latest')];
  const random = uniform(4 * 400, 11);
  const ended = { refused: 0, same: 0 };
  for (let i = 0; i < random.length; i += 4) {
    const [which, where, what, count] = random.slice(i, i + 4) as unknown as [number, number, number, number];
    const file = targets[Math.floor(which * targets.length)]!;
    const whole = readFileSync(file);
    const edited = Buffer.from(whole);
    const at = Math.floor(where * whole.length);
    // A digit for a digit where there is one: what JSON still reads, and was not noticed.
    for (let k = at; k < Math.min(whole.length, at + 1 + 3 * Math.round(count)); k++) {
      const digit = edited[k]! >= 48 && edited[k]! <= 57;
      edited[k] = digit ? 48 + ((edited[k]! - 48 + 1 + Math.floor(what * 8)) % 10) : Math.floor(what * 256);
    }
    writeFileSync(file, edited);
    const trainer = smallTrainer();
    try {
      await trainer.fit(glyphs, { epochs: 4, resume: dir });
      expect(await weightsDigest(trainer.model)).toBe(digest);
      ended.same++;
    } catch (error) {
      if (!(error instanceof TenonError)) throw error;
      expect(error.code).toMatch(/^ERR_TENON_(FORMAT|DATA)$/);
      ended.refused++;
    }
    writeFileSync(file, whole);
  }
  expect(ended.refused).toBeGreaterThan(350);
}, 240_000);

test('another instruction set is warned about', async () => {
  const dir = directory();
  const glyphs = await someGlyphs();
  await smallTrainer().fit(glyphs, { epochs: 1, callbacks: [checkpoint(dir)] });
  const file = join(dir, 'checkpoint-7', 'state.json');
  editState<object>(file, (state) => ({ ...state, isa: 'quantum' }));
  const warnings: string[] = [];
  const onEvent = (event: { type: string; message?: string }): void =>
    void (event.type === 'warning' && warnings.push(event.message!));
  await smallTrainer().fit(glyphs, { epochs: 2, resume: dir, callbacks: [{ onEvent }] });
  expect(warnings).toEqual([expect.stringContaining('trained with quantum kernels')]);
});

// Checksums are not secret: whoever edits a file can seal it again.
test('entries of the wrong kind are refused as damage, whichever they are', async () => {
  const dir = directory();
  const glyphs = await someGlyphs();
  await smallTrainer().fit(glyphs, { epochs: 1, callbacks: [checkpoint(dir)] });
  const file = join(dir, 'checkpoint-7', 'state.json');
  const whole = readFileSync(file);
  const wrong = [{ precision: 3 }, { bf16Path: [] }, { isa: null }, { average: 1 }, { sha256: {} }];
  const optimizers = [{ born: 'x' }, { born: { a: -1 } }, { step: 0.5 }, { kind: {} }];
  for (const entries of [...wrong, ...optimizers.map((part) => ({ optimizer: part }))]) {
    editState<Record<string, object>>(file, (state) =>
      'optimizer' in entries
        ? { ...state, optimizer: { ...state.optimizer, ...entries.optimizer } }
        : { ...state, ...entries },
    );
    const error = await failure(() => smallTrainer().fit(glyphs, { epochs: 2, resume: dir }));
    expect([entries, error.code]).toEqual([entries, 'ERR_TENON_FORMAT']);
    writeFileSync(file, whole);
  }
});
