import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatError, ShapeError } from '../../lib/errors';
import { encodeSafetensors, type SafetensorsEntry } from '../../lib/files/safetensors';
import { compile } from '../../lib/compile/compile';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { values as logits } from '../fixtures/logits.json';
import { fillState, symmetric } from '../fixtures/numbers';
import { values as torchvision } from '../fixtures/torchvision_names.json';

type Name = Exclude<keyof typeof torchvision, 'parts'>;

/** Units of the hidden layers of most VGGs here: drawing the hundred million weights of 4096 takes long. */
const HIDDEN = 8;
const few = { hidden: HIDDEN };

const makers: Record<Name, () => nn.Module> = {
  alexnet: () => models.alexnet(),
  vgg11: () => models.vgg11(),
  vgg11_bn: () => models.vgg11Bn(few),
  vgg13: () => models.vgg13(few),
  vgg13_bn: () => models.vgg13Bn(few),
  vgg16: () => models.vgg16(few),
  vgg16_bn: () => models.vgg16Bn(few),
  vgg19: () => models.vgg19(few),
  vgg19_bn: () => models.vgg19Bn(few),
  resnet18: () => models.resnet18(),
  resnet34: () => models.resnet34(),
  resnet50: () => models.resnet50(),
  resnet101: () => models.resnet101(),
  resnet152: () => models.resnet152(),
  cifar_resnet20: () => models.cifarResnet20(),
  cifar_resnet32: () => models.cifarResnet32(),
  cifar_resnet44: () => models.cifarResnet44(),
  cifar_resnet56: () => models.cifarResnet56(),
  cifar_resnet110: () => models.cifarResnet110(),
  cifar_resnet20_b: () => models.cifarResnet20({ shortcut: 'B' }),
};

/** Rows "name shape" of the PyTorch model's state dict, in its order. */
function stateDict(name: Name): string[] {
  const groups = torchvision[name] as [string, number][];
  return groups.flatMap(([prefix, part]) => torchvision.parts[part]!.map((row) => prefix + row));
}

/**
 * As published: torchvision's tables of weights (num_params); He et al. 2015 give the CIFAR nets as 0.27
 * to 1.7 million.
 */
const parameterCounts: Partial<Record<Name, number>> = {
  alexnet: 61_100_840,
  vgg11: 132_863_336,
  vgg11_bn: 132_868_840,
  vgg13: 133_047_848,
  vgg13_bn: 133_053_736,
  vgg16: 138_357_544,
  vgg16_bn: 138_365_992,
  vgg19: 143_667_240,
  vgg19_bn: 143_678_248,
  resnet18: 11_689_512,
  resnet34: 21_797_672,
  resnet50: 25_557_032,
  resnet101: 44_549_160,
  resnet152: 60_192_808,
  cifar_resnet20: 269_722,
  cifar_resnet32: 464_154,
  cifar_resnet44: 658_586,
  cifar_resnet56: 853_018,
  cifar_resnet110: 1_727_962,
};

const sizeOf = (dims: string): number => dims.split('x').reduce((n, d) => n * Number(d), 1);

test.each(Object.keys(makers) as Name[])(
  '%s has the state dict of the PyTorch model and as many parameters as published',
  (name) => {
    const model = makers[name]();
    const state = [...model.tree().tensors].map(([key, t]) => `${key} ${t.shape.join('x')}`);
    const rows = stateDict(name).filter((row) => !row.endsWith('num_batches_tracked'));
    const narrowed = name.startsWith('vgg') && name !== 'vgg11';
    expect(state).toEqual(narrowed ? rows.map((row) => row.replaceAll('4096', String(HIDDEN))) : rows);
    const parameters = model.namedParameters();
    const sizes = rows
      .map((row) => row.split(' '))
      .map(([key, dims]) => (parameters.has(key!) ? sizeOf(dims!) : 0));
    const count = parameterCounts[name];
    if (count !== undefined) expect(sizes.reduce((a, b) => a + b)).toBe(count);
  },
);

const narrow = { classes: 10, hidden: 64 };
const filled: Record<keyof typeof logits, () => nn.Module> = {
  resnet18: () => models.resnet18({ classes: 10 }),
  resnet50: () => models.resnet50({ classes: 10 }),
  vgg16_bn: () => models.vgg16Bn(narrow),
  vgg11: () => models.vgg11(narrow),
  alexnet: () => models.alexnet(narrow),
  cifar_resnet20: () => models.cifarResnet20(),
  cifar_resnet20_b: () => models.cifarResnet20({ shortcut: 'B' }),
};

function expectLogits(actual: ArrayLike<number>, name: keyof typeof logits): void {
  const expected = logits[name].logits;
  const scale = Math.max(...expected.map(Math.abs));
  expect(actual).toHaveLength(expected.length);
  expected.forEach((v, i) => expect(Math.abs(actual[i]! - v) / scale).toBeLessThan(1e-4));
}

test.each(Object.keys(filled) as (keyof typeof logits)[])(
  'logits of %s equal PyTorch to 1e-4, by forward() and by predict()',
  async (name) => {
    const model = filled[name]();
    fillState(model);
    model.eval();
    const { shape } = logits[name];
    const images = symmetric(
      shape.reduce((n, d) => n * d, 1),
      1000,
      Math.sqrt(3),
    );
    const run = compile((x: Tensor) => model.forward(x));
    expectLogits(await (await run(tensor(images, shape))).data(), name);
    // Folds batch norm into the convolutions.
    expectLogits(await model.predict(images, { shape: shape.slice(1), output: 'logits' }), name);
    model.dispose();
  },
);

describe('files', () => {
  let dir: string;
  beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'tenon-torchvision-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** The file that PyTorch would write: every row of the fixture, counts of batches included. */
  function writeState(name: Name, change: (rows: Map<string, number[]>) => void = () => undefined): string {
    const rows = new Map(
      stateDict(name).map((row) => {
        const [key, dims = ''] = row.split(' ');
        return [key!, dims === '' ? [] : dims.split('x').map(Number)];
      }),
    );
    change(rows);
    const tensors = new Map(
      [...rows].map(([key, shape], i): [string, SafetensorsEntry] => {
        const size = shape.reduce((n, d) => n * d, 1);
        if (key.endsWith('num_batches_tracked'))
          return [key, { dtype: 'I64', shape, bytes: new Uint8Array(8) }];
        const values = new Float32Array(size).fill(i);
        return [key, { dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) }];
      }),
    );
    const path = join(dir, 'state.safetensors');
    writeFileSync(path, Buffer.concat(encodeSafetensors({ tensors, metadata: new Map() })));
    return path;
  }

  test('a state dict with counts of batches loads strictly', async () => {
    const path = writeState('cifar_resnet20_b');
    const model = await models.cifarResnet20({ shortcut: 'B' }).load(path);
    const rows = stateDict('cifar_resnet20_b').map((row) => row.split(' ')[0]!);
    for (const [name, { storage }] of model.tree().tensors)
      expect([name, storage.readSync()[0]]).toEqual([name, rows.indexOf(name)]);
  });

  test('errors say what does not fit', async () => {
    const missing = writeState('cifar_resnet20', (rows) => {
      rows.delete('layer2.0.bn1.running_var');
      rows.set('fc.weight', [10, 64]);
    });
    const load = (path: string): Promise<unknown> => models.cifarResnet20().load(path);
    await expect(load(missing)).rejects.toThrow(FormatError);
    await expect(load(missing)).rejects.toThrow(
      'does not fit the model: missing "layer2.0.bn1.running_var"; unexpected "fc.weight". { strict: false } takes what fits',
    );
    const reshaped = writeState('cifar_resnet20', (rows) => rows.set('linear.weight', [100, 64]));
    await expect(load(reshaped)).rejects.toThrow(ShapeError);
    await expect(load(reshaped)).rejects.toThrow("'linear.weight' is [100, 64], the model expects [10, 64]");
  });

  test('a file written by PyTorch and the safetensors package loads strictly', async () => {
    const make = (): nn.Module =>
      nn.sequential(
        nn.conv2d(1, 3, { kernel: 3, bias: false }),
        nn.batchNorm2d(3),
        nn.convTranspose2d(3, 2, { kernel: 2, stride: 2 }),
        nn.linear<number, number>(4, 3),
      );
    const expected = make();
    fillState(expected);
    const model = await make().load(join(__dirname, '../fixtures/pytorch_state.safetensors'));
    for (const [name, { storage }] of model.tree().tensors)
      expect([name, ...storage.readSync()]).toEqual([
        name,
        ...expected.tree().tensors.get(name)!.storage.readSync(),
      ]);
  });

  test.each([
    ['resnet18', () => models.resnet18({ classes: 3, seed: 1 })],
    ['resnet50', () => models.resnet50({ classes: 3, seed: 1 })],
    ['cifarResnet20', () => models.cifarResnet20({ shortcut: 'B', seed: 1 })],
    ['cifarResnet32', () => models.cifarResnet32({ seed: 1 })],
    ['vgg11Bn', () => models.vgg11Bn({ hidden: 8, seed: 1 })],
    ['alexnet', () => models.alexnet({ hidden: 8, seed: 1 })],
  ] as const)('%s is rebuilt from its file', async (_, make) => {
    const path = join(dir, 'm.safetensors');
    const model = make();
    await model.save(path);
    const again = await nn.load(path);
    expect(again.config()).toEqual(model.config());
    expect(Buffer.compare(await again.toBuffer(), await model.toBuffer())).toBe(0);
  });

  test('a model with another head keeps the weights of the rest', async () => {
    const path = join(dir, 'm.safetensors');
    const model = models.resnet18({ classes: 10, seed: 1 });
    const conv1 = (m: nn.Module): number[] => [...m.namedParameters().get('conv1.weight')!.dataSync()];
    const before = conv1(model);
    const other = model.replaceHead(nn.linear(512, 3)).ensureInitialized({ seed: 2 });
    await other.save(path);
    const again = await nn.load(path);
    expect(again.tree().tensors.get('fc.weight')!.shape).toEqual([3, 512]);
    expect(conv1(again)).toEqual(before);
  });
});

test('initial weights are those of torchvision', () => {
  const std = (values: Float32Array): number =>
    Math.sqrt(values.reduce((s, v) => s + v * v, 0) / values.length);
  const parameters = models.vgg11({ hidden: 16, seed: 3 }).namedParameters();
  const of = (name: string): Float32Array => parameters.get(name)!.dataSync() as Float32Array;
  expect(std(of('features.3.weight')) / Math.sqrt(2 / (128 * 9))).toBeCloseTo(1, 2);
  expect(std(of('classifier.0.weight'))).toBeCloseTo(0.01, 4);
  expect(of('features.3.bias').every((v) => v === 0)).toBe(true);
});

test('classes default to 1000, as in torchvision', () => {
  const none = { classes: undefined } as unknown as models.ModelOptions;
  const { fc } = models.resnet18(none).stages;
  expect((fc as nn.Linear).outFeatures).toBe(1000);
  const { classifier } = models.alexnet({ ...none, hidden: 8 }).stages;
  expect(((classifier as nn.Sequential).layers.at(-1) as nn.Linear).outFeatures).toBe(1000);
});

test('bad options', () => {
  for (const make of [models.resnet18, models.alexnet, models.vgg11])
    for (const bad of [10, null, '10']) expect(() => make(bad as never)).toThrow('options must be an object');
  expect(() => models.alexnet({ imageSize: 62 })).toThrow(
    'models.alexnet: imageSize must be at least 63, got 62',
  );
  expect(() => models.vgg16Bn({ imageSize: 28 })).toThrow(
    'models.vgg16Bn: imageSize must be at least 32, got 28',
  );
  expect(() => models.vgg16({ hiden: 3 } as object)).toThrow('did you mean "hidden"?');
  expect(() => models.cifarResnet20({ shortcut: 'C' as 'A' })).toThrow('shortcut must be one of "A", "B"');
});
