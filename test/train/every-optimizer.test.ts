/**
 * What every optimizer has to do, in one loop over all: one kernel, numbers that change, resume bit
 * for bit, bf16.
 */
import { rmSync } from 'node:fs';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { checkpoint, type Trainer } from '../../lib/train';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { symmetric } from '../fixtures/numbers';
import { smallNet, smallTrainer, someGlyphs, temporaryDirectory, weightsDigest } from './helpers';

interface Rule {
  readonly make: (more?: object) => optim.Optimizer;
  readonly kernel: string;
  /**
   * Numbers that may change between steps, besides those that all have: what they become, or a function of
   * what they are.
   */
  readonly numbers: object;
}

const decayed = { weightDecay: 1e-3 };
/** Whatever they are, they become something else. */
const ofAll = {
  lr: (lr: number) => lr / 2,
  lrFactor: (factor: number) => 0.7 * factor,
  weightDecay: (decay: number) => 2 * decay + 0.05,
};
const ofMomentum = { momentum: 0.5, dampening: 0.25 };
const ofAdam = { betas: [0.7, 0.9], eps: 1e-3 };
const rules: Record<string, Rule> = {
  SGD: { make: (o) => optim.sgd({ lr: 0.05, ...decayed, ...o }), kernel: 'sgd', numbers: {} },
  momentum: {
    make: (o) => optim.sgd({ lr: 0.05, momentum: 0.9, ...decayed, ...o }),
    kernel: 'sgd',
    numbers: ofMomentum,
  },
  'momentum of steps, decoupled decay': {
    make: (o) => optim.sgd({ lr: 0.05, momentum: 0.9, velocity: 'steps', decoupled: true, ...decayed, ...o }),
    kernel: 'sgd',
    numbers: ofMomentum,
  },
  Nesterov: {
    make: (o) => optim.sgd({ lr: 0.05, momentum: 0.9, nesterov: true, ...decayed, ...o }),
    kernel: 'sgd',
    numbers: { momentum: 0.5 },
  },
  AdaGrad: {
    make: (o) => optim.adagrad({ lr: 0.05, lrDecay: 0.01, initialAccumulator: 0.1, ...decayed, ...o }),
    kernel: 'adagrad',
    numbers: { eps: 1e-3, lrDecay: 0.5 },
  },
  RMSProp: {
    make: (o) => optim.rmsprop({ lr: 0.005, ...decayed, ...o }),
    kernel: 'rmsprop',
    numbers: { alpha: 0.5, eps: 1e-3 },
  },
  'RMSProp, centred, with momentum': {
    make: (o) => optim.rmsprop({ lr: 0.002, centred: true, momentum: 0.9, ...decayed, ...o }),
    kernel: 'rmsprop',
    numbers: { alpha: 0.9, eps: 1e-3, momentum: 0.5 },
  },
  Adam: { make: (o) => optim.adam({ lr: 0.01, ...decayed, ...o }), kernel: 'adam', numbers: ofAdam },
  'Adam without correction': {
    make: (o) => optim.adam({ lr: 0.002, biasCorrection: false, ...decayed, ...o }),
    kernel: 'adam',
    numbers: ofAdam,
  },
  AMSGrad: {
    make: (o) => optim.adam({ lr: 0.01, amsgrad: true, ...decayed, ...o }),
    kernel: 'adam',
    numbers: ofAdam,
  },
  AdamW: { make: (o) => optim.adamw({ lr: 0.01, ...o }), kernel: 'adam', numbers: ofAdam },
  NAdam: {
    make: (o) => optim.nadam({ lr: 0.01, ...decayed, ...o }),
    kernel: 'nadam',
    numbers: { ...ofAdam, momentumDecay: 0.1 },
  },
  LARS: {
    make: (o) => optim.lars({ lr: 0.5, momentum: 0.9, trust: 0.02, ...decayed, ...o }),
    kernel: 'lars',
    numbers: { ...ofMomentum, trust: 0.01, eps: 0.1, adapt: false },
  },
  LAMB: {
    make: (o) => optim.lamb({ lr: 0.03, ...decayed, ...o }),
    kernel: 'lamb',
    numbers: { ...ofAdam, adapt: false },
  },
  Lion: {
    make: (o) => optim.lion({ lr: 0.01, ...decayed, ...o }),
    kernel: 'lion',
    numbers: { betas: [0.2, 0.3] },
  },
};

describe.each(Object.entries(rules))('%s', (_, { make, kernel, numbers }) => {
  /** A net of several parameters and its step. */
  function built(optimizer: optim.Optimizer) {
    const model = nn.sequential(nn.linear(6, 5), nn.tanh(), nn.linear(5, 3)).initialize({ seed: 1 });
    const step = compile((x: Tensor) => optimizer.update(grad(ops.mean(ops.square(model.forward(x))))));
    const x = tensor(symmetric(24, 3, 2), [4, 6]);
    const weights = (): number[] => model.parameters().flatMap((p) => Array.from(p.dataSync()));
    const kernels = (): string[] => step.prepare(x).lowered.calls.map((call) => call.kernel);
    return { run: () => step.runSync(x), weights, kernels, programs: () => step.profile().length };
  }

  test('updates all parameters of a group in one kernel call', () => {
    const updates = (optimizer: optim.Optimizer): number =>
      built(optimizer)
        .kernels()
        .filter((each) => each === kernel).length;
    expect(updates(make())).toBe(1);
    expect(updates(make({ groups: [{ match: '0' }] }))).toBe(2);
    expect(updates(make({ clipNorm: 0.1, clipValue: 0.2 }))).toBe(1);
  });

  test.each(Object.entries({ ...ofAll, ...numbers }))(
    'a new %s between steps compiles nothing, and counts',
    (name, value) => {
      const [changed, same] = [make(), make()];
      const [a, b] = [built(changed), built(same)];
      for (let i = 0; i < 2; i++) [a, b].forEach((each) => each.run());
      expect(a.weights()).toEqual(b.weights());
      expect(Reflect.get(changed, name)).toBeDefined();
      const before: unknown = Reflect.get(changed, name);
      Reflect.set(
        changed,
        name,
        typeof value === 'function' ? (value as (before: unknown) => unknown)(before) : value,
      );
      for (let i = 0; i < 2; i++) [a, b].forEach((each) => each.run());
      expect(a.weights()).not.toEqual(b.weights());
      expect(a.programs()).toBe(1);
    },
  );

  test.each(['fp32', 'bf16'] as const)('is resumed with the same bits in %s', async (precision) => {
    const glyphs = await someGlyphs();
    const groups = [optim.noDecay()];
    const trainer = (): Trainer =>
      smallTrainer(smallNet(), { precision, optimizer: make({ groups, clipNorm: 1 }) });
    const whole = trainer();
    const { epochs } = await whole.fit(glyphs, { epochs: 3 });
    expect(epochs[2]!.trainLoss).toBeLessThan(epochs[0]!.trainLoss);
    const dir = temporaryDirectory();
    const callbacks = [checkpoint(dir, { everySteps: 10 })];
    await trainer().fit(glyphs, { epochs: 3, maxSteps: 10, callbacks });
    const resumed = trainer();
    await resumed.fit(glyphs, { epochs: 3, resume: dir });
    rmSync(dir, { recursive: true });
    expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(whole.model));
    expect(stateOf(resumed)).toEqual(stateOf(whole));
  });
});

function stateOf({ optimizer }: Trainer): [number, [string, number[]][]] {
  const { step, tensors } = optimizer.state();
  return [step, [...tensors].map(([name, t]) => [name, Array.from(t.dataSync())])];
}
