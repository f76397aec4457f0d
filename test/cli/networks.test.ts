import { OptionError } from '../../lib/errors';
import { namesOf } from '../../lib/cli/names';
import { NETWORKS } from '../../lib/cli/networks';
import { completeRecipe } from '../../lib/cli/recipe';
import { architectureOf } from '../../lib/nn/files/architecture';

test.each(namesOf(NETWORKS))('%s is built by name, and its files can be rebuilt', (name) => {
  const model = NETWORKS[name].make([1, 64, 64], 7);
  const shapes = [...model.tree().tensors.values()].map((t) => t.shape);
  expect(shapes.filter((s) => s.length > 1)[0]![1]).toBe(name === 'mlp' ? 4096 : 1);
  expect(shapes.at(-1)).toEqual([7]);
  expect(architectureOf(model)).toBeDefined();
});

test('networks that need larger images say so', () => {
  expect(() => NETWORKS.vgg16_bn.make([1, 28, 40], 10)).toThrow(OptionError);
  expect(() => NETWORKS.alexnet.make([3, 32, 32], 10)).toThrow('imageSize must be at least 63, got 32');
});

test.each([
  ['lenet', 'adam', 0.001],
  ['vgg16', 'sgd', 0.01],
  ['vgg16_bn', 'sgd', 0.1],
  ['alexnet', 'sgd', 0.01],
  ['cifar_resnet56', 'sgd', 0.1],
] as const)('%s is trained by %s at %f', (model, optimizer, lr) => {
  expect(completeRecipe({ model })).toMatchObject({ optimizer, lr });
});
