/** Weights that are drawn off the event loop, where fit or evaluate finds none. */
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Program } from '../../lib/compile/program';
import * as data from '../../lib/data';
import { ShapeError } from '../../lib/errors';
import * as losses from '../../lib/losses';
import { info } from '../../lib/native';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import * as ops from '../../lib/ops';
import { Parameter } from '../../lib/tensor/parameter';
import { Trainer } from '../../lib/train';

const make = () => nn.sequential(nn.linear(3, 2000), nn.batchNorm1d(2000), nn.linear(2000, 2200));

const weightsOf = async (model: nn.Module): Promise<Buffer> => Buffer.from(await model.toBuffer());

/** What earlier tests dropped would otherwise be given back while this one counts. */
const collect = async (): Promise<void> => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  await delay(1);
};

afterEach(() => jest.restoreAllMocks());

it('nothing blocks while they are drawn, and they are those of initialize', async () => {
  const blocking = jest.spyOn(Program.prototype, 'runSync');
  const model = make();
  const trainer = new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr: 0 }),
    seed: 4,
  });
  const set = await data.fromFeatures({
    inputs: Float32Array.from({ length: 12 }, Math.sin),
    targets: [0, 1, 2, 1],
    shape: [3],
  });
  await trainer.evaluate(set);
  expect(blocking).not.toHaveBeenCalled();
  expect((await weightsOf(model)).equals(await weightsOf(make().initialize({ seed: 4 })))).toBe(true);
});

it('what somebody else has drawn meanwhile stays', async () => {
  const model = make();
  const drawing = model.ensureInitializedAsync({ seed: 1 });
  model.initialize({ seed: 2 });
  await drawing;
  expect((await weightsOf(model)).equals(await weightsOf(make().initialize({ seed: 2 })))).toBe(true);
});

it('only what is missing is drawn', async () => {
  const model = nn.sequential(nn.linear(3, 4), nn.linear(4, 2)).initialize({ seed: 7 });
  const [first, second] = model.layers;
  const before = await weightsOf(first!);
  const longer = nn.sequential(first!, second!, nn.linear(2, 5));
  await longer.ensureInitializedAsync({ seed: 1 });
  expect(longer.initialized).toBe(true);
  expect((await weightsOf(first!)).equals(before)).toBe(true);
});

it('rules are those of initialize, and bad options reject', async () => {
  const rules = { seed: 3, weights: 'orthogonal', biases: 'ones' } as const;
  const net = (): nn.Module => nn.sequential(nn.linear(3, 4), nn.batchNorm1d(4), nn.linear(4, 2));
  const drawn = await net().ensureInitializedAsync(rules);
  expect((await weightsOf(drawn)).equals(await weightsOf(net().initialize(rules)))).toBe(true);
  await expect(net().ensureInitializedAsync({ seed: -1 })).rejects.toThrow('ensureInitializedAsync: seed');
  await expect(net().ensureInitializedAsync({ sead: 1 } as never)).rejects.toThrow('unknown option "sead"');
});

it('calls beside each other each draw by their own rules, and one that fails takes nothing back', async () => {
  const net = (): nn.Sequential =>
    nn.sequential(nn.linear(3, 2100), nn.linear(2100, 2100), nn.linear(2100, 2));
  const model = net();
  const calls = (['orthogonal', 'zeros'] as const).map((weights) =>
    model.ensureInitializedAsync({ weights }),
  );
  await Promise.all(calls);
  const drawn = await weightsOf(model);
  const alone = (['orthogonal', 'zeros'] as const).map((weights) => weightsOf(net().initialize({ weights })));
  expect((await Promise.all(alone)).some((weights) => weights.equals(drawn))).toBe(true);

  const failing = net();
  const bad = failing.ensureInitializedAsync({
    rule: (name) => (name === '2.weight' ? () => ops.full([3], 0) : undefined),
  });
  failing.initialize({ weights: 'ones' });
  await expect(bad).rejects.toThrow(ShapeError);
  failing.initialize();
  expect((await weightsOf(failing)).equals(await weightsOf(net().initialize({ weights: 'ones' })))).toBe(
    true,
  );
});

it('an initializer that fails leaves no values and no memory', async () => {
  const model = nn.sequential(
    nn.linear(3, 2100),
    nn.linear(2100, 2100),
    nn.linear(2100, 2, { weightInit: () => ops.full([3], 0) }),
  );
  await collect();
  const before = info().memory.buffers;
  const initializers = [...model.tree().tensors.values()].map((t) => t instanceof Parameter && t.initializer);
  await expect(model.ensureInitializedAsync({ biases: 'ones' })).rejects.toThrow(ShapeError);
  expect(model.initialized).toBe(false);
  expect([...model.tree().tensors.values()].map((t) => t instanceof Parameter && t.initializer)).toEqual(
    initializers,
  );
  // The thread that drew the last values may let go of them after it has said so.
  for (const end = Date.now() + 10_000; info().memory.buffers > before && Date.now() < end;) await delay(1);
  expect(info().memory.buffers).toBeLessThanOrEqual(before);
});
