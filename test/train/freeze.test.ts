/** Training with frozen layers: what stays, unfreezing on the way, and a resume. */
import { join } from 'node:path';
import { FormatError } from '../../lib/errors';
import type * as nn from '../../lib/nn';
import { frozenNames } from '../../lib/nn/freeze';
import * as optim from '../../lib/optim';
import { checkpoint, type Callback, type Trainer } from '../../lib/train';
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
const frozen = (model: nn.Module): string[] => frozenNames(model.tree());

async function values(model: nn.Module): Promise<Record<string, number[]>> {
  const tensors = [...model.namedParameters(), ...model.namedBuffers()];
  const read = tensors.map(async ([name, t]) => [name, [...(await t.data())]] as [string, number[]]);
  return Object.fromEntries(await Promise.all(read));
}

/** The batch norm, layer 1, and the convolution before it, with statistics of some training. */
async function pretrained(): Promise<Trainer> {
  const trainer = smallTrainer(smallNet(), { optimizer: optim.adam({ lr: 0.01 }) });
  await trainer.fit(await someGlyphs(), { epochs: 1, maxSteps: 3 });
  return trainer;
}

/** Frees the convolution and the batch norm after an epoch. */
function unfreezeAfter(epoch: number, model: nn.Module): Callback {
  return {
    onEvent(event) {
      if (event.type === 'epoch' && event.epoch === epoch) model.unfreeze('0', '1');
    },
  };
}

test('frozen layers keep their weights and statistics to the bit, the others are trained', async () => {
  const { model } = await pretrained();
  model.freeze('0', '1.*');
  const before = await values(model);
  await smallTrainer(model).fit(await someGlyphs(), { epochs: 1 });
  const after = await values(model);
  const changed = Object.keys(before).filter((name) => `${before[name]}` !== `${after[name]}`);
  expect(changed).toEqual(['6.weight', '6.bias']);
});

test('updateBatchNorm leaves frozen statistics as they are', async () => {
  const trainer = await pretrained();
  const before = await values(trainer.model.freeze('1'));
  await trainer.updateBatchNorm(await someGlyphs());
  expect(await values(trainer.model)).toEqual(before);
  trainer.model.unfreeze();
  await trainer.updateBatchNorm(await someGlyphs());
  expect((await values(trainer.model))['1.running_mean']).not.toEqual(before['1.running_mean']);
});

test("an unfrozen layer's state begins with its own first step, and a resumed run has the same bits", async () => {
  const run = async (options: object, callbacks: (model: nn.Module) => Callback[], freeze = true) => {
    const model = smallNet();
    if (freeze) model.freeze('0', '1');
    const trainer = smallTrainer(model, { optimizer: optim.adam({ lr: 0.01 }), average: optim.ema() });
    await trainer.fit(await someGlyphs(), { epochs: 3, ...options, callbacks: callbacks(model) });
    return trainer;
  };
  const whole = await run({}, (model) => [unfreezeAfter(1, model)]);
  expect(Object.fromEntries(whole.optimizer.state().born)).toEqual({
    ...{ '0.weight': 7, '1.weight': 7, '1.bias': 7 },
  });
  const digest = await weightsDigest(whole.model);

  const dir = directory();
  await run({ maxSteps: 10 }, (model) => [
    unfreezeAfter(1, model),
    checkpoint(dir, { everySteps: 5, keep: 9 }),
  ]);
  // Before: the checkpoint freezes what the new model has free, and the callback frees it again.
  const early = await run(
    { resume: join(dir, 'checkpoint-5') },
    (model) => [
      { onEvent: ({ type }) => void (type === 'start' && expect(frozen(model)).toHaveLength(5)) },
      unfreezeAfter(1, model),
    ],
    false,
  );
  expect(await weightsDigest(early.model)).toBe(digest);
  // After: the checkpoint frees what the new model has frozen.
  const late = await run({ resume: join(dir, 'checkpoint-10') }, () => []);
  expect(frozen(late.model)).toEqual([]);
  expect(await weightsDigest(late.model)).toBe(digest);
});

test('a checkpoint that freezes what the model lacks is refused, and changes nothing', async () => {
  const dir = directory();
  const steps = { epochs: 1, maxSteps: 2 };
  await smallTrainer().fit(await someGlyphs(), { ...steps, callbacks: [checkpoint(dir)] });
  const state = join(dir, 'checkpoint-2', 'state.json');
  const model = smallNet().initialize({ seed: 8 }).freeze('6');
  const before = await weightsDigest(model);
  const attempt = async (list: unknown) => {
    editState(state, (entries: object) => ({ ...entries, frozen: list }));
    const glyphs = await someGlyphs();
    return failure(() => smallTrainer(model).fit(glyphs, { ...steps, resume: dir }));
  };
  expect(await attempt(['6.weight', '7.weight'])).toMatchObject({
    constructor: FormatError,
    message: expect.stringContaining('lists "7.weight" as frozen, which the model lacks') as string,
  });
  expect(await attempt('6.weight')).toBeInstanceOf(FormatError);
  expect(await attempt([6])).toBeInstanceOf(FormatError);
  expect(frozen(model)).toEqual(['6.weight', '6.bias']);
  expect(await weightsDigest(model)).toBe(before);
  // Checkpoints of versions that did not record it leave the model's own.
  editState(state, ({ frozen: _, ...entries }: { frozen?: unknown }) => entries);
  await smallTrainer(model).fit(await someGlyphs(), { ...steps, resume: dir });
  expect(frozen(model)).toEqual(['6.weight', '6.bias']);
});

test('a model with nothing to train says so', async () => {
  const model = smallNet().freeze();
  const glyphs = await someGlyphs();
  expect(await failure(() => smallTrainer(model).fit(glyphs, { epochs: 1 }))).toMatchObject({
    message: expect.stringContaining('depends on no parameter that requires a gradient') as string,
  });
});
