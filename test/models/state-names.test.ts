import * as models from '../../lib/models';
import { values as expected } from '../fixtures/state_names.json';

test.each(['lenet5', 'lenet', 'vggs', 'resnet20'] as const)(
  '%s has the state dict of the PyTorch model',
  (name) => {
    const state = [...models[name]().tree().tensors].map(([key, t]) => [key, t.shape]);
    expect(state).toEqual(expected[name]);
  },
);

test('resnet18 takes other sizes and classes', () => {
  const model = models.resnet18({ classes: 5, inChannels: 1 }).initialize();
  expect(model.predictSync(new Float32Array(2 * 40 * 33), { shape: [1, 40, 33] })).toHaveLength(10);
});

test('other sizes and classes', () => {
  expect(
    models
      .lenet({ imageSize: 64, inChannels: 3, classes: 7 })
      .initialize()
      .predictSync(new Float32Array(3 * 64 * 64), { shape: [3, 64, 64] }),
  ).toHaveLength(7);
  expect(() => models.lenet5({ imageSize: 11 })).toThrow('imageSize must be at least 12, got 11');
  expect(() => models.vggs({ dropout: NaN })).toThrow(
    'models.vggs: dropout must be a number from 0 to 1, got NaN',
  );
  expect(() => models.resnet20({ clases: 3 } as object)).toThrow('did you mean "classes"?');
});
