/** Layers by depth, and rates that fall with it. */
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';

describe('layerGroups', () => {
  test('are the layers and blocks with weights, from the input up, each with its norm', () => {
    const blocks = [1, 2, 3, 4].flatMap((s) => [[`layer${s}.0`], [`layer${s}.1`]]);
    expect(nn.layerGroups(models.resnet18())).toEqual([['conv1', 'bn1'], ...blocks, ['fc']]);
    const vgg = nn.layerGroups(models.vgg11Bn({ hidden: 8 }));
    expect(vgg).toHaveLength(8 + 3);
    expect(vgg[1]).toEqual(['features.4', 'features.5']);
    expect(vgg.at(-1)).toEqual(['classifier.6']);
    // Parameters beside the layers of a class of its own.
    expect(nn.layerGroups(models.fixupResnet({ depth: 8 }))).toEqual([
      ['conv1', 'bias1'],
      ['layer1.0'],
      ['layer2.0'],
      ['layer3.0', 'bias2'],
      ['fc'],
    ]);
  });

  test.each([
    ...Object.entries({
      lenet: models.lenet,
      alexnet: models.alexnet,
      resnet20: models.resnet20,
      cifarResnet20: models.cifarResnet20,
      mobilenetV2: models.mobilenetV2,
      efficientnetLite0: models.efficientnetLite0,
    }),
  ])('of %s hold each tensor once, and the head last', (_, make: () => nn.Module) => {
    const model = make();
    const names = nn.layerGroups(model).flat();
    const { tensors } = model.tree();
    const held = names.map((name) =>
      [...tensors.keys()].filter((t) => t === name || t.startsWith(`${name}.`)),
    );
    expect(held.flat().sort()).toEqual([...tensors.keys()].sort());
    const before = [...tensors.keys()];
    model.replaceHead(nn.identity());
    const head = before.filter((name) => !model.tree().tensors.has(name));
    expect(held.at(-1)).toEqual(head);
  });

  test('of one layer is that layer, and of what is not a module an error', () => {
    expect(nn.layerGroups(nn.linear(2, 3))).toEqual([['weight', 'bias']]);
    expect(nn.layerGroups(nn.relu())).toEqual([]);
    expect(() => nn.layerGroups({} as nn.Module)).toThrow('layerGroups: expected a module');
  });
});

/** How far one step of SGD moves each weight, where each gradient is 1; `rate` is the optimizer's. */
function moves(groups: (model: nn.Module) => optim.ParameterGroup[], rate = 1): Record<string, number[]> {
  const model = nn.sequential(
    nn.linear(1, 1),
    nn.batchNorm1d(1),
    nn.linear(1, 1),
    nn.relu(),
    nn.linear(1, 1, { bias: false }),
  );
  model.initialize({ weights: 'ones' });
  const before = [...model.namedParameters()].map(([name, p]) => [name, p.dataSync()[0]!] as const);
  const rule = optim.sgd({ lr: rate, weightDecay: 0.25, groups: groups(model) });
  rule.lrFactor = 0.5;
  compile((x: Tensor) => {
    const total = model.parameters().reduce((sum, p) => ops.add(sum, ops.sum(p)), ops.sum(ops.mul(x, 0)));
    rule.update(grad(total));
  }).runSync(tensor([1], [1, 1]));
  return Object.fromEntries(
    before.map(([name, from]) => [name, [from, from - model.namedParameters().get(name)!.dataSync()[0]!]]),
  );
}

describe('layerwiseDecay', () => {
  /** lr (1 + decay w), by the definition. */
  const step = (scale: number, from: number, decay = 0.25): number => 0.5 * scale * (1 + decay * from);

  test('multiplies rates by the factor per depth', () => {
    const moved = moves((model) => optim.layerwiseDecay(model, { factor: 0.5 }));
    const scales = { '0.weight': 0.25, '0.bias': 0.25, '1.weight': 0.25, '1.bias': 0.25, '2.weight': 0.5 };
    for (const [name, scale] of Object.entries({ ...scales, '2.bias': 0.5, '4.weight': 1 }))
      expect(moved[name]![1]).toBeCloseTo(step(scale, moved[name]![0]!), 6);
  });

  test('crosses the depths with further groups', () => {
    const moved = moves((model) =>
      optim.layerwiseDecay(model, { factor: 0.5, groups: [{ match: '*.bias', lr: 4 }, optim.noDecay()] }),
    );
    expect(moved['0.bias']![1]).toBeCloseTo(step(4 * 0.25, moved['0.bias']![0]!), 6);
    expect(moved['1.weight']![1]).toBeCloseTo(step(0.25, moved['1.weight']![0]!, 0), 6);
    expect(moved['2.weight']![1]).toBeCloseTo(step(0.5, moved['2.weight']![0]!), 6);
  });

  test('of an lrScale of 1 has the bits of none', () => {
    const third = (groups: optim.ParameterGroup[]) => moves(() => groups, 1 / 3);
    expect(third([{ match: '*', lrScale: 1 }])).toEqual(third([]));
  });

  test('refuses bad input', () => {
    const model = nn.linear(1, 1);
    const attempt = (options: object) =>
      expect(() => optim.layerwiseDecay(model, options as optim.LayerwiseDecayOptions));
    attempt({}).toThrow('factor');
    attempt({ factor: 0 }).toThrow('optim.layerwiseDecay: factor must be');
    attempt({ factor: 0.5, group: [] }).toThrow('did you mean "groups"?');
    attempt({ factor: 0.5, groups: [3] }).toThrow('a group must be an object, got 3');
    attempt({ factor: 0.5, groups: [{ match: 3 }] }).toThrow("a group's match must be");
    attempt({ factor: 0.5, groups: [{ match: 'a', lrScale: -1 }] }).toThrow('lrScale of a group must be');
    expect(() => optim.layerwiseDecay({} as nn.Module, { factor: 0.5 })).toThrow('expected a module');
    expect(() => optim.sgd({ lr: 1, groups: [{ match: 'a', lrScale: NaN }] })).toThrow('lrScale of a group');
  });
});
