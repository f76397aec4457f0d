/** Another head on a model: everything but the head and the class names stays. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fromArrays } from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import * as preprocess from '../../lib/preprocess';
import { Trainer } from '../../lib/train';
import { failure, temporaryDirectory } from '../train/helpers';

const directory = temporaryDirectory();
afterAll(() => rmSync(directory, { recursive: true }));

const preprocessing: nn.Preprocessing = {
  height: 8,
  width: 8,
  channels: 3,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize: 'contain',
};
const bytes = Uint8Array.from({ length: 5 * 192 }, (_, i) => (i * 37 + (i >> 3)) % 256);

function net(): nn.NamedSequential {
  const model = nn.namedSequential({
    features: nn.sequential(nn.conv2d(3, 6, { kernel: 3, bias: false }), nn.batchNorm2d(6), nn.relu()),
    pool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    classifier: nn.sequential(nn.linear(6, 7), nn.tanh(), nn.dropout(0.5), nn.linear(7, 4)),
  });
  model.preprocessing = preprocessing;
  model.classNames = ['a', 'b', 'c', 'd'];
  return model.initialize({ seed: 3 });
}

/** What a linear layer of the model makes of rows, by the definition. */
async function linearOf(model: nn.Module, name: string, rows: Float32Array): Promise<number[]> {
  const parameters = model.namedParameters();
  const [weight, bias] = [parameters.get(`${name}.weight`)!, parameters.get(`${name}.bias`)!];
  const [w, b] = [await weight.data(), await bias.data()];
  const [outputs, inputs] = weight.shape as [number, number];
  return Array.from({ length: (rows.length / inputs) * outputs }, (_, at) => {
    const [row, o] = [Math.floor(at / outputs), at % outputs];
    return Array.from({ length: inputs }, (__, i) => rows[row * inputs + i]! * w[o * inputs + i]!).reduce(
      (sum, v) => sum + v,
      b[o]!,
    );
  });
}

test('the body gives what it gave, with its preprocessing, and the new head goes by it', async () => {
  const before = await net().predict(bytes, { output: 'logits' });
  const body = net().replaceHead(nn.identity());
  const features = await body.predict(bytes, { output: 'logits' });
  expect(features).toHaveLength(5 * 7);
  const again = await linearOf(net(), 'classifier.3', features);
  again.forEach((value, i) => expect(value).toBeCloseTo(before[i]!, 5));
  expect(body.preprocessing).toEqual(preprocessing);
  const model = body.replaceHead(nn.linear(7, 3)).ensureInitialized({ seed: 9 });
  const outputs = await model.predict(bytes, { output: 'logits' });
  const expected = await linearOf(model, 'classifier.3', features);
  expect(outputs).toHaveLength(5 * 3);
  expected.forEach((value, i) => expect(value).toBeCloseTo(outputs[i]!, 5));
  expect(expected.some((value, i) => Math.abs(value - before[i]!) > 1e-3)).toBe(true);
});

test('names, weights, preprocessing and transform stay, class names go, also through a file', async () => {
  const model = net();
  const set = await fromArrays({ images: bytes, labels: [0, 1, 2, 3, 0], shape: [8, 8, 3] });
  model.inputTransform = await preprocess.center().fit(set);
  const { inputTransform } = model;
  const old = model.namedParameters();
  expect(model.replaceHead(nn.linear(7, 2))).toBe(model);
  expect(model.classNames).toBeUndefined();
  expect(model.preprocessing).toEqual(preprocessing);
  expect(model.inputTransform).toBe(inputTransform);
  const now = model.namedParameters();
  expect([...now.keys()]).toEqual([...old.keys()]);
  for (const [name, parameter] of now)
    if (!name.startsWith('classifier.3')) expect(parameter).toBe(old.get(name));
  const file = join(directory, 'model.safetensors');
  await model.save(file);
  const loaded = await nn.load(file);
  expect(loaded.preprocessing).toEqual(preprocessing);
  expect(loaded.classNames).toBeUndefined();
  expect(await loaded.predict(bytes)).toEqual(await model.predict(bytes));
  expect(loaded.replaceHead(nn.linear(7, 9)).namedParameters().get('classifier.3.weight')!.shape).toEqual([
    9, 7,
  ]);
});

test('fit trains the new head with the preprocessing of the body, and gives it its class names', async () => {
  const file = join(directory, 'base.safetensors');
  await net().save(file);
  const model = (await nn.load(file)).replaceHead(nn.sequential(nn.dropout(0.1), nn.linear(7, 2)));
  expect([...model.namedModules().values()].some((module) => module.training)).toBe(false);
  model.requiresGrad(false, 'features');
  const frozen = await model.namedParameters().get('features.0.weight')!.data();
  const set = await fromArrays({
    images: bytes,
    labels: [0, 1, 1, 0, 1],
    shape: [8, 8, 3],
    classNames: ['no', 'yes'],
  });
  const options = { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) };
  await new Trainer(model, options).fit(set, { epochs: 2 });
  expect(model.preprocessing).toEqual(preprocessing);
  expect(model.classNames).toEqual(['no', 'yes']);
  expect(await model.namedParameters().get('features.0.weight')!.data()).toEqual(frozen);
});

test('predictions compiled before are of the old head no longer', async () => {
  const model = net();
  expect(await model.predict(bytes)).toHaveLength(20);
  model.replaceHead(nn.linear(7, 3));
  expect(await model.predict(bytes)).toHaveLength(15);
});

test.each([
  ['lenet5', () => models.lenet5(), 84, '11'],
  ['lenet', () => models.lenet(), 128, '9'],
  ['vggs', () => models.vggs(), undefined, undefined],
  ['resnet20', () => models.resnet20(), 64, '14'],
  ['cifarResnet20', () => models.cifarResnet20(), 64, 'linear'],
  ['fixupResnet', () => models.fixupResnet({ depth: 8 }), 64, 'fc'],
  ['alexnet', () => models.alexnet({ hidden: 8 }), 8, 'classifier.6'],
  ['vgg11Bn', () => models.vgg11Bn({ hidden: 8 }), 8, 'classifier.6'],
  ['resnet18', () => models.resnet18(), 512, 'fc'],
] as [string, () => nn.Module, number | undefined, string | undefined][])(
  'models.%s',
  (_, make, features, path) => {
    const model = make();
    const last = [...model.tree().tensors.keys()].filter((name) => name.endsWith('.weight')).at(-1)!;
    const [, width] = model.tree().tensors.get(last)!.shape as [number, number];
    if (features !== undefined) expect([width, last]).toEqual([features, `${path}.weight`]);
    expect(() => model.replaceHead(nn.linear(width + 1, 5))).toThrow(
      `takes ${width} features, the new head ${width + 1}`,
    );
    model.replaceHead(nn.linear(width, 5));
    expect(model.tree().tensors.get(last)!.shape).toEqual([5, width]);
  },
);

test('a convolution is a head, too; what follows it stays', () => {
  const model = nn.sequential(
    nn.conv2d(3, 8, { kernel: 3 }),
    nn.relu(),
    nn.conv2d(8, 10, { kernel: 1 }),
    nn.globalAvgPool2d(),
    nn.flatten(),
  );
  model.replaceHead(nn.conv2d(8, 4, { kernel: 1 }));
  expect(model.summary({ inputShape: [3, 6, 6] }).rows.at(-1)!.outputShape).toEqual([1, 4]);
});

test('widths of heads that begin with other layers are compared where they are known', () => {
  const wide =
    (first: nn.Module): (() => unknown) =>
    () =>
      net().replaceHead(nn.sequential(nn.relu(), first));
  expect(wide(nn.linear(7, 2))).not.toThrow();
  expect(wide(nn.groupNorm(2, 8))).toThrow("'classifier.3' takes 7 features, the new head 8");
  expect(wide(nn.sequential(nn.dropout(0.1), nn.linear(8, 2)))).toThrow(
    "'classifier.3' takes 7 features, the new head 8",
  );
  expect(wide(nn.batchNorm1d(6))).toThrow('the new head 6');
  expect(wide(nn.sequential(nn.flatten(), nn.linear(8, 2)))).not.toThrow();
});

test('what has no such head is refused', async () => {
  class Own extends nn.Module {
    readonly fc = nn.linear(3, 2);
    override forward(x: Parameters<nn.Linear['forward']>[0]): ReturnType<nn.Linear['forward']> {
      return this.fc.forward(x);
    }
  }
  const head = nn.linear(6, 2);
  for (const [model, message] of [
    [new Own(), 'set the field of Own that holds its head'],
    [nn.sequential(nn.linear(6, 6), new Own()), "it is '1' (Own)"],
    [nn.sequential(nn.linear(6, 6), nn.batchNorm1d(6)), "it is '1' (BatchNorm1d)"],
    [nn.sequential(nn.residual(nn.linear(6, 6))), "it is '0' (Residual)"],
    [nn.sequential(nn.relu()), 'no layer has any'],
    [nn.sequential(), 'no layer has any'],
  ] as [nn.Module, string][])
    expect(() => model.replaceHead(head)).toThrow(
      expect.objectContaining({
        code: 'ERR_TENON_OPTION',
        message: expect.stringContaining(message) as string,
      }) as Error,
    );
  expect(() => net().replaceHead(3 as never)).toThrow('replaceHead: expected a module');
  const model = net();
  expect((await failure(async () => model.replaceHead(nn.sequential(model)))).message).toContain(
    'the model itself',
  );
  expect(model.classNames).toHaveLength(4);
});

test('models.imagenet is what torchvision normalizes by, and cannot be changed', () => {
  const model = models.resnet18({ classes: 3 });
  model.preprocessing = models.imagenet;
  expect(model.preprocessing).toEqual({ ...models.imagenet });
  expect(models.imagenet).toMatchObject({
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    height: 224,
    resize: 'cover',
  });
  expect(Object.isFrozen(models.imagenet)).toBe(true);
});
