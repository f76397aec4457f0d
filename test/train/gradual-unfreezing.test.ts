/** Unfreezing from the head down: what is free in which epoch, and after a resume. */
import { join } from 'node:path';
import * as nn from '../../lib/nn';
import { frozenNames } from '../../lib/nn/freeze';
import { checkpoint, gradualUnfreezing, type Callback, type GradualUnfreezingOptions } from '../../lib/train';
import { smallNet, smallTrainer, someGlyphs, temporaryDirectories, weightsDigest } from './helpers';

const directory = temporaryDirectories();

const free = (model: nn.Module): string[] => {
  const frozen = new Set(frozenNames(model.tree()));
  return [...model.tree().tensors.keys()].filter((name) => !frozen.has(name));
};

test('frees a layer after each epoch, and a resumed run has the same bits', async () => {
  const seen: string[][] = [];
  const watch = (model: nn.Module): Callback => ({
    everySteps: 7,
    onSteps: () => void seen.push(free(model)),
  });
  const whole = smallNet();
  await smallTrainer(whole).fit(await someGlyphs(), {
    epochs: 3,
    callbacks: [gradualUnfreezing(whole), watch(whole)],
  });
  const head = ['6.weight', '6.bias'];
  expect(seen[0]).toEqual(head);
  expect(seen[1]).toEqual(['0.weight', '1.weight', '1.bias', '1.running_mean', '1.running_var', ...head]);
  expect(seen[2]).toEqual(seen[1]);
  const digest = await weightsDigest(whole);

  // The checkpoint after the first epoch is saved before the callback frees the rest.
  const dir = directory();
  const first = smallNet();
  await smallTrainer(first).fit(await someGlyphs(), {
    epochs: 3,
    maxSteps: 10,
    callbacks: [checkpoint(dir, { everySteps: 5, keep: 9 }), gradualUnfreezing(first)],
  });
  for (const from of ['checkpoint-5', 'checkpoint-7', 'checkpoint-10']) {
    const model = smallNet();
    await smallTrainer(model).fit(await someGlyphs(), {
      epochs: 3,
      resume: join(dir, from),
      callbacks: [gradualUnfreezing(model)],
    });
    expect(await weightsDigest(model)).toBe(digest);
  }
});

test('goes by an order and a pace of its own', async () => {
  const seen: string[][] = [];
  const model = smallNet();
  const order = ['6.bias', ['6', /^0/]] as const;
  await smallTrainer(model).fit(await someGlyphs(), {
    epochs: 3,
    callbacks: [
      gradualUnfreezing(model, { order, everyEpochs: 2 }),
      { onEvent: ({ type }) => void (type === 'epoch' && seen.push(free(model))) },
    ],
  });
  expect(seen).toEqual([['6.bias'], ['0.weight', '6.weight', '6.bias'], ['0.weight', '6.weight', '6.bias']]);
});

test('refuses bad input before training', () => {
  const model = smallNet();
  const attempt = (options: object) =>
    expect(() => gradualUnfreezing(model, options as GradualUnfreezingOptions));
  attempt({ order: ['6', '7.*'] }).toThrow('gradualUnfreezing: no parameter matches 7.*');
  attempt({ order: [] }).toThrow('there is nothing to unfreeze');
  attempt({ order: [[]] }).toThrow('an entry of order is an empty list');
  attempt({ order: [3] }).toThrow('each entry of order');
  attempt({ order: '6' }).toThrow('order');
  attempt({ everyEpochs: 0.5 }).toThrow('everyEpochs');
  attempt({ every: 1 }).toThrow('unknown option "every"');
  expect(() => gradualUnfreezing(nn.relu())).toThrow('there is nothing to unfreeze');
  expect(() => gradualUnfreezing({} as nn.Module)).toThrow('expected a module');
  expect(free(model)).toHaveLength(7);
});
