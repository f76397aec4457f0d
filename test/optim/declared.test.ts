/**
 * What follows from the declarations of optimizers: the list of all, fields, groups, what the command
 * line begins with.
 */
import { makeOptimizer } from '../../lib/cli/optimizers';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';

const names = Object.keys(optim.optimizers) as optim.OptimizerName[];

test('every optimizer is in the list, under the name of its maker', () => {
  const makers = Object.entries(optim).filter(([, value]) => 'preset' in value);
  expect(names).toEqual(makers.map(([name]) => name));
  expect(names).toEqual(expect.arrayContaining(['sgd', 'adagrad', 'rmsprop', 'adam', 'adamw', 'lamb']));
  for (const name of names) expect(optim.optimizers[name]).toBe(optim[name]);
});

describe.each(names)('%s', (name) => {
  const make = optim.optimizers[name] as (options: object) => optim.Optimizer;
  const { settings, preset } = optim.optimizers[name];
  const common = ['lr', 'weightDecay', 'clipNorm', 'clipValue', 'groups'];

  test('has a field for each setting, which holds what was given or the default', () => {
    const defaults = settings.read(name, { lr: 0.5 });
    const optimizer = make({ lr: 0.5 });
    for (const key of settings.keys.filter((each) => each !== 'groups'))
      expect(Reflect.get(optimizer, key)).toEqual(Reflect.get(defaults, key));
    const decayed = make({ lr: 0.5, weightDecay: 0.25, clipNorm: 2, clipValue: 3 });
    expect([decayed.lr, decayed.weightDecay, decayed.clipNorm, decayed.clipValue]).toEqual([0.5, 0.25, 2, 3]);
    expect(optimizer.kind).toBe(name);
  });

  test('every setting is known to the key check, and has a sentence and a domain', () => {
    expect(settings.keys).toEqual(expect.arrayContaining(common));
    for (const setting of Object.values(settings.declared)) {
      expect(setting.doc).toMatch(/^[A-Z].*\.$|^eps is .*\.$/);
      expect(setting.domain.type).toMatch(/^(number|boolean|choice|tuple|other)$/);
    }
    expect(() => make({ lr: 0.5, [`${settings.keys[1]}x`]: 1 })).toThrow(
      `optim.${name}: unknown option "${settings.keys[1]}x" (did you mean "${settings.keys[1]}"?)`,
    );
  });

  test('the command line makes it from its preset', () => {
    const momentum = preset.momentum ?? 0;
    const { lr, weightDecay } = preset;
    const model = nn.sequential(nn.linear(1, 1), nn.linear(1, 1));
    const optimizer = makeOptimizer(name, { lr, momentum, weightDecay, layerDecay: 0.5, maxNorm: 2 }, model);
    expect(optimizer).toMatchObject({ kind: name, lr: preset.lr, weightDecay, maxNorm: 2 });
    if (preset.momentum !== undefined) expect(optimizer).toMatchObject({ momentum });
  });
});

test('what the command line begins with', () => {
  const [sgd, adagrad, rmsprop, adam, adamw, nadam, lars, lamb] = (
    ['sgd', 'adagrad', 'rmsprop', 'adam', 'adamw', 'nadam', 'lars', 'lamb'] as const
  ).map((name): optim.Preset => optim.optimizers[name].preset);
  expect(sgd).toMatchObject({ lr: 0.02, deep: 0.1, plain: 0.01, momentum: 0.9, weightDecay: 5e-4 });
  expect(adagrad).toMatchObject({ lr: 0.01, weightDecay: 0 });
  expect(rmsprop).toMatchObject({ lr: 0.001, momentum: 0, weightDecay: 0 });
  expect(adam).toMatchObject({ lr: 0.001, weightDecay: 0 });
  expect(adamw).toMatchObject({ lr: 0.001, weightDecay: 0.01 });
  expect(nadam).toMatchObject({ lr: 0.002, weightDecay: 0 });
  expect(lars).toMatchObject({ lr: 1, momentum: 0.9, weightDecay: 5e-4 });
  expect(lamb).toMatchObject({ lr: 0.002, weightDecay: 0.01 });
  expect([adagrad, adam, adamw, nadam, lamb].map((preset) => preset?.momentum)).toEqual(
    Array(5).fill(undefined),
  );
  const nesterov = (momentum: number): optim.Optimizer =>
    makeOptimizer('sgd', { lr: 1, momentum, weightDecay: 0, layerDecay: 1, maxNorm: null }, nn.linear(1, 1));
  expect([nesterov(0.9), nesterov(0)]).toMatchObject([{ nesterov: true }, { nesterov: false }]);
});

test('types: groups take the numbers of their optimizer, and numbers may be changed', () => {
  const optimizer = optim.lamb({
    groups: [{ match: 'a', betas: [0.5, 0.5] }, optim.noDecay({ adapt: false })],
  });
  optimizer.betas = [0.1, 0.2];
  // @ts-expect-error: LAMB has no momentum
  expect(() => optim.lamb({ groups: [{ match: 'a', momentum: 1 }] })).toThrow('unknown option "momentum"');
  // @ts-expect-error: fixed at compile time
  optimizer.biasCorrection = false;
  // @ts-expect-error: the rate of SGD has no default
  expect(() => optim.sgd({})).toThrow('lr');
  const sgd: optim.Optimizer = optim.sgd({ lr: 1 });
  expect(sgd.kind).toBe('sgd');
});
