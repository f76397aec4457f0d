import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError, DisposedError, FormatError, OptionError, ShapeError } from '../../lib/errors';
import { decodeSafetensors, encodeSafetensors } from '../../lib/files/safetensors';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as preprocess from '../../lib/preprocess';
import { tensor, type Tensor } from '../../lib/tensor/tensor';

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'tenon-model-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const everything = (): nn.Sequential =>
  nn.sequential(
    nn.conv2d(1, 4, { kernel: [3, 1], padding: [1, 0], groups: 1, bias: false }),
    nn.batchNorm2d(4, { momentum: 0.2 }),
    nn.leakyRelu({ slope: 0.3 }),
    nn.elu({ alpha: 0.5 }),
    nn.sequential(nn.gelu(), nn.silu(), nn.sigmoid(), nn.tanh(), nn.relu6(), nn.relu(), nn.identity()),
    nn.maxPool2d(2, { stride: 1 }),
    nn.avgPool2d(2, { stride: 1, countIncludePad: false, padding: 1 }),
    nn.dropout2d(0.1),
    nn.basicBlock(4, 6, { stride: 2 }),
    nn.globalAvgPool2d(),
    nn.flatten(),
    nn.batchNorm1d(6, { affine: false }),
    nn.linear(6, 3),
    nn.dropout(0.2),
  );

const x = Float32Array.from({ length: 2 * 64 }, (_, i) => Math.cos(i));
const options = { shape: [1, 8, 8], output: 'logits' } as const;

test('a model of built-in layers is rebuilt, state and metadata included', async () => {
  const model = everything().initialize({ seed: 5 });
  model.preprocessing = { height: 8, width: 8, channels: 1, mean: [0.5], std: [0.25], resize: 'cover' };
  model.classNames = ['a', 'ä', 'c'];
  const path = join(dir, 'm.safetensors');
  await model.save(path);
  const again = await nn.load(path);
  expect([...(await again.predict(x, options))]).toEqual([...(await model.predict(x, options))]);
  expect(again.config()).toEqual(model.config());
  expect(again.preprocessing).toEqual(model.preprocessing);
  expect(again.classNames).toEqual(model.classNames);
  expect(again.training).toBe(false);
  expect(Buffer.compare(await again.toBuffer(), readFileSync(path))).toBe(0);
  expect(Buffer.compare(await everything().initialize({ seed: 5 }).toBuffer(), readFileSync(path))).not.toBe(
    0,
  );
});

test('preprocessing of an earlier or a later version is read for what it says', async () => {
  const path = join(dir, 'm.safetensors');
  const model = nn.linear(1, 2).initialize();
  const known = { height: 1, width: 1, channels: 1, mean: [0], std: [1] };
  model.preprocessing = known;
  await model.save(path);
  const { tensors, metadata } = decodeSafetensors('f', readFileSync(path));
  const later = new Map([...metadata, ['preprocessing', JSON.stringify({ ...known, gamma: 2 })]]);
  writeFileSync(path, Buffer.concat(encodeSafetensors({ tensors, metadata: later })));
  expect((await nn.load(path)).preprocessing).toEqual(known);
});

test('bytes are loaded as a file is, and what becomes of them afterwards does not matter', async () => {
  const model = everything().initialize({ seed: 5 });
  const expected = await model.predict(x, options);
  const bytes = await model.toBuffer();
  const odd = Buffer.concat([Buffer.of(1, 2, 3), bytes]).subarray(3);
  const exact = Uint8Array.from(bytes).buffer;
  for (const source of [bytes, Buffer.from(bytes), odd, exact]) {
    expect([...(await (await nn.load(source)).predict(x, options))]).toEqual([...expected]);
    const other = await everything().initialize({ seed: 9 }).load(source);
    expect([...(await other.predict(x, options))]).toEqual([...expected]);
  }
  const reused = Uint8Array.from(bytes);
  const loading = [nn.load(reused), everything().load(reused)];
  structuredClone(reused.buffer, { transfer: [reused.buffer] });
  for (const loaded of await Promise.all(loading))
    expect([...(await loaded.predict(x, options))]).toEqual([...expected]);
  await expect(nn.load(reused)).rejects.toThrow('load: not a safetensors file: 0 bytes are too few');
  await expect(nn.load(bytes.subarray(0, 5000))).rejects.toThrow(FormatError);
});

test.each([
  5,
  null,
  undefined,
  '',
  {},
  [],
  new Float32Array(4),
  new DataView(new ArrayBuffer(8)),
  new URL('file:///x'),
])('load(%p) is an OptionError, and so is save', async (source) => {
  await expect(nn.load(source as string)).rejects.toThrow(OptionError);
  const model = nn.linear(2, 2);
  await expect(model.load(source as string)).rejects.toThrow(OptionError);
  await expect(model.save(source as string)).rejects.toThrow(OptionError);
});

test.each(['lenet5', 'lenet', 'vggs', 'resnet20'] as const)('%s is rebuilt', async (name) => {
  const path = join(dir, 'm.safetensors');
  const model = models[name]({ seed: 1 });
  await model.save(path);
  const again = await nn.load(path);
  expect(again.config()).toEqual(model.config());
  expect(Buffer.compare(await again.toBuffer(), readFileSync(path))).toBe(0);
});

test('containers and layers of all kinds are rebuilt', async () => {
  const model = nn
    .namedSequential({
      signal: nn.sequential(
        nn.conv1d(2, 4, { kernel: 3, stride: 2, padding: 1, dilation: 1, groups: 2 }),
        nn.convTranspose1d(4, 2, { kernel: 3, stride: 2, outputPadding: 1, bias: false }),
      ),
      residual: nn.residual(nn.conv1d(2, 2, { kernel: 1 }), nn.conv1d(2, 2, { kernel: 1, bias: false })),
      skip: nn.residual(nn.relu()),
      branches: nn.concat(nn.identity(), nn.conv1d(2, 3, { kernel: 1 })),
    })
    .initialize({ seed: 1 });
  const image = nn.sequential(
    nn.depthwiseConv2d(1, { kernel: 3, multiplier: 2 }),
    nn.convTranspose2d(2, 2, { kernel: [2, 3], stride: 2, outputPadding: [1, 0], groups: 2 }),
    nn.cifarBlock(2, 4, { stride: 2 }),
    nn.residualBlock(4, 4),
    nn.bottleneck(4, 2, { stride: 2 }),
    nn.padShortcut(8, 9),
    nn.prelu({ features: 9, initial: 0.1 }),
    nn.sequential(nn.gelu({ approximate: 'tanh' }), nn.hardTanh({ high: 2 }), nn.softmax({ axis: -1 })),
    nn.sequential(nn.logSoftmax(), nn.softplus(), nn.mish(), nn.selu(), nn.logSigmoid(), nn.softsign()),
    nn.sequential(nn.hardSigmoid(), nn.hardSwish()),
    nn.adaptiveMaxPool2d([3, null]),
    nn.adaptiveAvgPool2d(2),
    nn.globalMaxPool2d(),
  );
  const path = join(dir, 'm.safetensors');
  for (const [made, shape] of [
    [model, [2, 32]],
    [image.initialize({ seed: 2 }), [1, 8, 8]],
  ] as const) {
    await made.save(path);
    const again = await nn.load(path);
    expect(again.config()).toEqual(made.config());
    expect([...(await again.predict(x, { shape }))]).toEqual([...(await made.predict(x, { shape }))]);
  }
});

test.each<[string, string]>([
  ['{"kind":"concat","config":{}}', 'bad settings of "concat": it has no list of layers'],
  ['{"kind":"namedSequential","config":{"names":["a"],"layers":[]}}', 'not as many names as layers'],
  [
    '{"kind":"namedSequential","config":{"names":["a.b"],"layers":[{"kind":"relu","config":{}}]}}',
    'must be a word',
  ],
  ['{"kind":"residual","config":{"shortcut":null}}', 'undefined is not a layer'],
  ['{"kind":"bottleneck","config":{"inChannels":4,"width":"x"}}', 'bad settings of "bottleneck"'],
])('a file with the architecture %s is refused', async (architecture, message) => {
  const path = join(dir, 'm.safetensors');
  const metadata = new Map([
    ['format', 'tenon'],
    ['formatVersion', '1'],
    ['architecture', architecture],
  ]);
  writeFileSync(path, Buffer.concat(encodeSafetensors({ tensors: new Map(), metadata })));
  await expect(nn.load(path)).rejects.toThrow(FormatError);
  await expect(nn.load(path)).rejects.toThrow(message);
});

test('a tied parameter is stored once and tied again', async () => {
  const path = join(dir, 'm.safetensors');
  const shared = nn.linear(4, 4);
  await nn.sequential(shared, nn.relu(), shared).save(path);
  expect(decodeSafetensors('f', readFileSync(path)).tensors.size).toBe(2);
  const again = await nn.load(path);
  expect(again.parameters()).toHaveLength(2);
  expect([...again.tree().aliases.keys()]).toEqual(['2.weight', '2.bias']);
});

class Own extends nn.Module {
  readonly fc = nn.linear(4, 2);
  override forward(t: Tensor): Tensor {
    return this.fc.forward(t);
  }
}

test("a class of one's own loads into an instance and is not rebuilt", async () => {
  const path = join(dir, 'own.safetensors');
  const model = new Own().initialize({ seed: 3 });
  await model.save(path);
  await expect(nn.load(path)).rejects.toThrow('no architecture to rebuild');
  const other = await new Own().load(path);
  expect([...other.fc.weight.dataSync()]).toEqual([...model.fc.weight.dataSync()]);
});

test('names and shapes that do not fit are refused, and change nothing', async () => {
  const path = join(dir, 'm.safetensors');
  await nn.sequential(nn.linear(4, 2), nn.linear(2, 2)).save(path);
  const other = nn.sequential(nn.linear(4, 2), nn.relu(), nn.linear(2, 2)).initialize({ seed: 9 });
  const before = await other.toBuffer();
  await expect(other.load(path)).rejects.toThrow(FormatError);
  await expect(other.load(path)).rejects.toThrow(
    'missing "2.weight", "2.bias"; unexpected "1.weight", "1.bias"',
  );
  await expect(nn.sequential(nn.linear(4, 2), nn.linear(2, 3)).load(path)).rejects.toThrow(
    "'1.weight' is [2, 2], the model expects [3, 2]",
  );
  await expect(nn.sequential(nn.linear(4, 3), nn.linear(3, 1)).load(path)).rejects.toThrow(ShapeError);
  await expect(nn.sequential(nn.linear(4, 3)).load(path, { strict: false })).rejects.toThrow(
    'nothing in it fits the model: unexpected "1.weight", "1.bias"; \'0.weight\' is [2, 4], the model expects [3, 4]; \'0.bias\'',
  );
  expect(Buffer.compare(await other.toBuffer(), before)).toBe(0);
  await other.load(path, { strict: false });
  expect(Buffer.compare(await other.toBuffer(), before)).not.toBe(0);
});

test('what fits only in part is listed, and taken where that is asked for', async () => {
  const path = join(dir, 'm.safetensors');
  const file = nn.namedSequential({ a: nn.linear(4, 2), norm: nn.batchNorm1d(2), head: nn.linear(2, 5) });
  await file.initialize({ seed: 2 }).save(path);
  const make = () =>
    nn.namedSequential({
      a: nn.linear(4, 2),
      b: nn.linear(2, 2),
      norm: nn.batchNorm1d(2),
      head: nn.linear(2, 3),
    });
  const otherShape = [
    { name: 'head.weight', file: [5, 2], model: [3, 2] },
    { name: 'head.bias', file: [5], model: [3] },
  ];
  const listed = `missing "b.weight", "b.bias"; 'head.weight' is [5, 2], the model expects [3, 2]; 'head.bias' is [5], the model expects [3]`;
  await expect(make().load(path)).rejects.toThrow(listed);
  const model = make().initialize({ seed: 3 });
  const drawn = [...model.stages.head!.parameters()].map((p) => [...p.dataSync()]);
  const before = await model.toBuffer();
  const refuse = (): never => {
    throw new RangeError('too little');
  };
  await expect(model.load(path, { strict: false, report: refuse })).rejects.toThrow(RangeError);
  await expect(model.load(path, { report: 'yes' as unknown as () => void })).rejects.toThrow(
    'load: report must be a function, got "yes"',
  );
  expect(Buffer.compare(await model.toBuffer(), before)).toBe(0);
  const reports: nn.LoadReport[] = [];
  await model.load(path, { strict: false, report: (report) => reports.push(report) });
  const loaded = [...file.namedParameters().keys(), ...file.namedBuffers().keys()].filter(
    (name) => !name.startsWith('head'),
  );
  expect(new Set(reports[0]!.loaded)).toEqual(new Set(loaded));
  expect(reports[0]).toMatchObject({ missing: ['b.weight', 'b.bias'], unexpected: [], otherShape });
  expect(String(reports[0])).toBe(listed);
  for (const name of ['a.weight', 'a.bias'])
    expect(model.namedParameters().get(name)!.dataSync()).toEqual(
      file.namedParameters().get(name)!.dataSync(),
    );
  expect([...model.stages.head!.parameters()].map((p) => [...p.dataSync()])).toEqual(drawn);
  await file.load(path, { report: (report) => reports.push(report) });
  expect(reports[1]).toMatchObject({ missing: [], unexpected: [], otherShape: [] });
  expect(String(reports[1])).toBe('');
});

test('lying files', async () => {
  const path = join(dir, 'm.safetensors');
  await expect(nn.load(path)).rejects.toThrow(DataError);
  writeFileSync(path, 'not a model');
  await expect(nn.load(path)).rejects.toThrow(FormatError);
  await nn.linear(2, 2).save(path);
  const { tensors, metadata } = decodeSafetensors('f', readFileSync(path));
  const deep = { kind: 'sequential', config: { layers: [] as unknown[] } };
  for (let i = 0, at = deep; i < 100; i++)
    at.config.layers.push((at = { kind: 'sequential', config: { layers: [] } }));
  const lies: [string, string, string][] = [
    ['architecture', '{', 'is not JSON'],
    ['architecture', '3', 'is not what it should be'],
    ['architecture', '{"kind":"nope","config":{}}', 'has no layer "nope"'],
    ['architecture', '{"kind":"constructor","config":{}}', 'has no layer'],
    ['architecture', '{"kind":"linear","config":null}', 'are not an object'],
    [
      'architecture',
      '{"kind":"linear","config":{"inFeatures":"2","outFeatures":2}}',
      'bad settings of "linear"',
    ],
    ['architecture', '{"kind":"maxPool2d","config":{"kernel":null}}', 'bad settings of "maxPool2d"'],
    ['architecture', '{"kind":"linear","config":{"inFeatures":2,"outFeatures":2,"x":1}}', 'unknown option'],
    [
      'architecture',
      '{"kind":"linear","config":{"inFeatures":1000000,"outFeatures":1000000}}',
      'the model expects',
    ],
    ['architecture', '{"kind":"sequential","config":{}}', 'no list of layers'],
    ['architecture', '{"kind":"sequential","config":{"layers":[4]}}', 'is not a layer'],
    ['architecture', JSON.stringify(deep), 'nested more than 64 deep'],
    ['formatVersion', '2', 'reads form "1"'],
    ['classNames', '[1]', 'is not what it should be'],
    ['preprocessing', '[]', 'is not what it should be'],
    ['preprocessing', '{"height":1,"width":1,"channels":1,"mean":[0],"std":[]}', 'std must be an array of'],
    ['aliases', '[["x","weight"]]', 'cannot be tied'],
    ['aliases', '[["weight","__proto__"]]', 'cannot be tied'],
  ];
  for (const [key, value, message] of lies) {
    writeFileSync(
      path,
      Buffer.concat(encodeSafetensors({ tensors, metadata: new Map([...metadata, [key, value]]) })),
    );
    const attempt = nn.load(path);
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toMatchObject({ code: expect.stringMatching(/ERR_TENON_(FORMAT|SHAPE)/) });
  }
});

const centred = (): Promise<preprocess.FittedTransform> =>
  preprocess.center().fit(tensor([1, 2, 3, 4], [1, 4]));

test('a disposed transform fails the save, and nothing else', async () => {
  const model = nn.sequential(nn.linear(4, 2)).initialize();
  model.inputTransform = await centred();
  model.inputTransform.dispose();
  const unhandled = jest.fn();
  process.on('unhandledRejection', unhandled);
  await expect(model.save(join(dir, 'm.safetensors'))).rejects.toThrow(DisposedError);
  await new Promise(setImmediate);
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('what a file without a transform, or with other class names, makes of a model that has its own', async () => {
  const path = join(dir, 'm.safetensors');
  const file = nn.sequential(nn.linear(4, 2)).initialize({ seed: 1 });
  file.classNames = ['cat', 'dog'];
  await file.save(path);
  const model = nn.sequential(nn.linear(4, 2), nn.linear(2, 3)).initialize();
  const transform = (model.inputTransform = await centred());
  model.classNames = ['a', 'b', 'c'];
  await model.load(path, { strict: false });
  expect(model.inputTransform).toBe(transform);
  expect(model.classNames).toEqual(['a', 'b', 'c']);
  const same = nn.sequential(nn.linear(4, 2)).initialize();
  same.inputTransform = transform;
  await same.load(path);
  expect(same.inputTransform).toBeUndefined();
  expect(same.classNames).toEqual(['cat', 'dog']);
  expect([...(await same.predict(x.subarray(0, 4), { shape: [4] }))]).toEqual([
    ...(await file.predict(x.subarray(0, 4), { shape: [4] })),
  ]);
  // Another program's file says nothing about it.
  const { tensors } = decodeSafetensors(path, readFileSync(path));
  writeFileSync(path, Buffer.concat(encodeSafetensors({ tensors, metadata: new Map() })));
  same.inputTransform = transform;
  await same.load(path);
  expect(same.inputTransform).toBe(transform);
});

test('a load that fails at what the file lacks leaves no zeros behind', async () => {
  const path = join(dir, 'm.safetensors');
  await nn.sequential(nn.linear(4, 2)).save(path);
  const head = nn.linear(2, 3);
  head.weight.initializer = () => {
    throw new Error('not today');
  };
  const model = nn.sequential(nn.linear(4, 2), head);
  await expect(model.load(path, { strict: false })).rejects.toThrow('not today');
  expect([...model.tree().tensors.values()].filter((t) => t.initialized)).toEqual([]);
});
