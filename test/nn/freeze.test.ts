/** What freezing picks, what it keeps, and what a step with frozen layers does not compute. */
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { crossEntropy } from '../../lib/losses';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import { frozenNames } from '../../lib/nn/freeze';
import * as optim from '../../lib/optim';
import { namePattern } from '../../lib/tensor/name-pattern';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { uniform } from '../fixtures/numbers';

function net(): nn.NamedSequential {
  return nn.namedSequential({
    features: nn.sequential(nn.conv2d(2, 4, { kernel: 3, bias: false }), nn.batchNorm2d(4), nn.relu()),
    pool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    fc: nn.linear(4, 3),
  });
}

const frozen = (model: nn.Module): string[] => frozenNames(model.tree());

describe('a pattern', () => {
  const all = ['features.0.weight', 'features.1.weight', 'features.1.bias'];
  const statistics = ['features.1.running_mean', 'features.1.running_var'];
  test.each<[string, nn.NamePattern[], string[]]>([
    ['the name of a layer', ['features'], [...all, ...statistics]],
    ['a star below it', ['features.*'], [...all, ...statistics]],
    ['a star across dots', ['*.weight'], ['features.0.weight', 'features.1.weight', 'fc.weight']],
    ['a question mark', ['features.?.bias'], ['features.1.bias']],
    ['several', ['fc.bias', 'features.0'], ['features.0.weight', 'fc.bias']],
    ['a RegExp', [/^f.*bias$/], ['features.1.bias', 'fc.bias']],
    ['nothing, for everything', [], [...all, ...statistics, 'fc.weight', 'fc.bias']],
  ])('%s', (_, patterns, expected) => {
    const model = net();
    expect(model.freeze(...patterns)).toBe(model);
    expect(frozen(model)).toEqual(expected);
    expect(frozen(model.unfreeze(...patterns))).toEqual([]);
  });

  test('stars and question marks are those of a glob', () => {
    const fits = (pattern: string, name: string): boolean => namePattern('test', pattern)(name);
    expect(fits('layer?.0', 'layer1.0.conv1.weight')).toBe(true);
    expect(fits('layer?.0', 'layer10.0.weight')).toBe(false);
    expect(fits('a*c*e', 'abcde')).toBe(true);
    expect(fits('a*c*e', 'abcd')).toBe(false);
    expect(fits('*', 'a.b')).toBe(true);
    expect(fits('a.b*', 'axb')).toBe(false);
    expect(fits('feat', 'features.0')).toBe(false);
    // Takes exponential time by a RegExp.
    expect(fits(`${'*a'.repeat(200)}b`, 'a'.repeat(5000))).toBe(false);
  });

  test('that picks nothing is refused with the nearest name, and none of the others is applied', () => {
    const model = net();
    const attempt = (...patterns: nn.NamePattern[]) => expect(() => model.freeze(...patterns));
    attempt('fc', 'feature.*').toThrow('no parameter matches feature.* (did you mean "features.*"?)');
    attempt('fc', 'features.1.bais').toThrow('did you mean "features.1.bias"?');
    attempt('featurs*').toThrow('no parameter matches featurs* (did you mean "features*"?)');
    attempt('feature.?.weight').toThrow(
      'no parameter matches feature.?.weight (did you mean "features.?.weight"?)',
    );
    attempt('fc', 'pool').toThrow('freeze: no parameter matches pool; there are features, fc');
    attempt('f').toThrow('freeze: no parameter matches f (did you mean "fc"?)');
    attempt('xyz*').toThrow('freeze: no parameter matches xyz*; there are features, fc');
    expect(() => nn.sequential(nn.linear(1, 1)).freeze('x')).toThrow(
      'no parameter matches x (did you mean "0"?)',
    );
    attempt('nothing*').toThrow('freeze: no parameter matches nothing*; there are features, fc');
    attempt('features.other.*').toThrow('features.other.*; there are features.0, features.1');
    attempt(/x/).toThrow('freeze: no parameter matches /x/; there are features, fc');
    attempt('').toThrow("a pattern must be a name, such as 'features.*', or a RegExp");
    attempt('fc', 3 as unknown as string).toThrow('a pattern must be a name');
    expect(frozen(model)).toEqual([]);
    model.freeze();
    expect(() => model.unfreeze('fc', 'nothing')).toThrow('unfreeze: no parameter matches nothing');
    expect(frozen(model)).toHaveLength(7);
  });

  test('picks a tied weight by each of its names, and is relative to the part that is asked', () => {
    class Tied extends nn.Module {
      first = nn.linear(3, 3, { bias: false });
      second = this.first.weight;
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(frozen(new Tied().freeze('first'))).toEqual(['second']);
    const model = net();
    model.stages.features!.freeze('1');
    expect(frozen(model)).toEqual(['features.1.weight', 'features.1.bias', ...statistics]);
  });

  test('also picks the groups of an optimizer', () => {
    const rates = (match: optim.ParameterMatch): number => {
      const model = nn.sequential(nn.linear(1, 1, { bias: false }), nn.linear(1, 1, { bias: false }));
      model.initialize({ weights: 'ones' });
      const rule = optim.sgd({ lr: 0, groups: [{ match, lr: 1 }] });
      compile((x: Tensor) => rule.update(grad(model.forward(x)))).runSync(tensor([1], [1, 1]));
      return model.parameters().filter((p) => p.dataSync()[0] !== 1).length;
    };
    expect(['1.*', '*.weight', '?', /^0/].map(rates)).toEqual([1, 2, 2, 1]);
  });
});

describe('frozen statistics', () => {
  const x = tensor(Float32Array.from(uniform(6 * 2 * 25, 3)), [6, 2, 5, 5]);

  test.each([
    ['batch norm', () => nn.batchNorm2d(2)],
    ['instance norm', () => nn.instanceNorm2d(2, { trackRunningStats: true, affine: true })],
  ])('of %s are what it normalizes by in training, and stay', (_, make) => {
    const layer: nn.Module = make();
    const run = compile((input: Tensor) => layer.forward(input));
    const outputs = (): number[] => [...run.runSync(x).dataSync()];
    const kept = (): number[] => [...layer.namedBuffers().values()].flatMap((b) => [...b.dataSync()]);
    layer.initialize();
    const byBatch = outputs();
    const moved = kept();
    expect(moved).not.toEqual([0, 0, 1, 1]);
    layer.freeze();
    const byStatistics = outputs();
    expect(byStatistics).not.toEqual(byBatch);
    expect(kept()).toEqual(moved);
    expect(layer.training).toBe(true);
    layer.eval();
    expect(byStatistics).toEqual(outputs());
    layer.train().unfreeze();
    expect(outputs()).toEqual(byBatch);
    expect(kept()).not.toEqual(moved);
  });

  test('stand apart from frozen weights, and a summary counts what is trained', () => {
    const model = net().freeze('features.1.weight', 'features.1.bias');
    const norm = (model.stages.features as nn.Sequential).layers[1] as nn.BatchNorm2d;
    expect(norm.frozenStatistics).toBe(false);
    model.freeze('features.1');
    expect(norm.frozenStatistics).toBe(true);
    expect(model.requiresGrad(true)).toBe(model);
    expect(frozen(model)).toEqual(['features.1.running_mean', 'features.1.running_var']);
    const summary = model.freeze('features').summary({ inputShape: [2, 5, 5] });
    expect(summary.trainable).toBe(15);
    expect(summary.parameters).toBe(15 + 72 + 8);
  });
});

describe('a step of resnet18', () => {
  /** The kernel calls of a training step, and the memory that its intermediates take. */
  function step(change: (model: nn.Module) => void) {
    const model = models.resnet18({ classes: 5 });
    change(model);
    model.ensureInitialized();
    const rule = optim.sgd({ lr: 0.1, momentum: 0.9 });
    const loss = crossEntropy();
    const run = compile((x: Tensor, y: Tensor) => {
      rule.update(grad(loss(model.forward(x), y)));
    });
    const program = run.prepare(
      tensor(new Float32Array(4 * 3 * 64 * 64), [4, 3, 64, 64]),
      tensor(Int32Array.of(0, 1, 2, 3)),
    );
    const kernels = program.lowered.calls.map((call) => call.kernel);
    const count = (kernel: RegExp): number => kernels.filter((name) => kernel.test(name)).length;
    const backward = {
      weights: count(/^conv2d_backward_weights/),
      data: count(/^conv2d_backward_data/),
      norms: count(/^batch_norm.*backward/),
      pools: count(/pool.*backward/),
      products: count(/^matmul/),
      statistics: count(/^batch_norm_running/),
      updates: count(/^sgd/),
    };
    const result = { model, rule, kernels, backward, arena: program.arenaBytes, state: rule.state() };
    run.dispose();
    return result;
  }

  const full = step(() => undefined);
  const head = step((model) => model.freeze().unfreeze('fc'));
  const top = step((model) => model.freeze().unfreeze('layer4', 'fc'));

  test('with everything but the head frozen has the backward pass of the head alone', () => {
    expect(full.backward).toEqual({
      ...{ weights: 20, data: 19, norms: 20, pools: 1, products: 3, statistics: 20, updates: 1 },
    });
    expect(head.backward).toEqual({
      ...{ weights: 0, data: 0, norms: 0, pools: 0, products: 2, statistics: 0, updates: 1 },
    });
    expect([...head.state.tensors.keys()]).toEqual(['momentum_buffer/fc.bias', 'momentum_buffer/fc.weight']);
  });

  test('keeps no activations of frozen layers', () => {
    // Two of the largest activations at once, those of the first layers, and a little more.
    const largest = 4 * 64 * 32 * 32 * 4;
    expect(full.arena).toBeGreaterThan(5 * largest);
    expect(head.arena).toBeLessThan(2.5 * largest);
  });

  test('with the last stage trained goes back as far as that stage', () => {
    // Its first convolution and the one of its shortcut need no gradient of their inputs.
    expect(top.backward).toEqual({
      ...{ weights: 5, data: 3, norms: 5, pools: 0, products: 3, statistics: 5, updates: 1 },
    });
  });
});

test('norms that are frozen amid layers that are trained have the gradients of their definition', () => {
  const x = tensor(Float32Array.from(uniform(3 * 3 * 12 * 12, 4)), [3, 3, 12, 12]);
  const labels = tensor(Int32Array.of(0, 2, 1));
  const loss = crossEntropy();
  /** Gradients of a step in training mode, and how the step normalizes. */
  const step = (change: (model: nn.Module) => void, fuse: boolean) => {
    const model = models.cifarResnet20({ classes: 3 }).initialize({ seed: 2 });
    compile((input: Tensor) => void model.forward(input)).runSync(x); // statistics of this batch
    for (const module of model.namedModules().values())
      if (module instanceof nn.BatchNorm2d) module.momentum = 1;
    compile((input: Tensor) => void model.forward(input)).runSync(x);
    change(model);
    const run = compile(
      (input: Tensor, y: Tensor) => {
        const gradients = grad(loss(model.forward(input), y));
        return Object.fromEntries(gradients.entries().map(([p, g]) => [p.name, g]));
      },
      { fuse },
    );
    const values = Object.entries(run.runSync(x, labels)).map(
      ([name, g]) => [name, [...g.dataSync()]] as const,
    );
    const kernels = run.prepare(x, labels).lowered.calls.map(({ kernel }) => kernel);
    return { gradients: Object.fromEntries(values), kernels };
  };
  const freeze = (model: nn.Module): void => void model.freeze(/(^|\.)bn\d/);
  const [fused, apart] = [step(freeze, true), step(freeze, false)];
  expect(fused.kernels.filter((kernel) => kernel === 'batch_norm_eval')).toHaveLength(19);
  expect(fused.kernels.length).toBeLessThan(apart.kernels.length);
  expect(fused.gradients).toEqual(apart.gradients);
  // Without gradients through the statistics, as in evaluation mode.
  const evaluated = step((model) => model.eval(), false);
  expect(Object.keys(fused.gradients)).toEqual(
    Object.keys(evaluated.gradients).filter((name) => !/(^|\.)bn\d/.test(name)),
  );
  for (const [name, values] of Object.entries(fused.gradients))
    expect(values).toEqual(evaluated.gradients[name]);
});
