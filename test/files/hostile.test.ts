/**
 * Model files made to do harm: what they cost, in a process of their own, and names that stand twice. Each
 * row says what it took before headers had a limit. Bounds are generous, for machines that are busy, and
 * far below that.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatError, OptionError } from '../../lib/errors';
import { encodeSafetensors } from '../../lib/files/safetensors';
import * as nn from '../../lib/nn';
import { costOf } from '../support/cost';

let dir: string;
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'tenon-hostile-'))));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const MIB = 2 ** 20;

/** A file of a header and some zeros behind it. */
function file(header: string, data = 0): Buffer {
  const json = Buffer.from(header);
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([head, json, Buffer.alloc(data)]);
}

const entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
const list = (count: number, item: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => item(i)).join(',');

/** A model file of so many layers. */
function layers(count: number): Buffer {
  const architecture = `{"kind":"sequential","config":{"layers":[${list(count, () => '{"kind":"relu","config":{}}')}]}}`;
  const metadata = new Map([
    ['format', 'tenon'],
    ['formatVersion', '1'],
    ['architecture', architecture],
  ]);
  return Buffer.concat(encodeSafetensors({ tensors: new Map(), metadata }));
}

test.each<[string, () => Buffer, RegExp]>([
  [
    '1,500,000 tensors in a header of 99 MB: 44 s',
    () => file(`{${list(1_500_000, (i) => `"t${i}":${entry}`)}}`),
    /header of/,
  ],
  [
    'a header of 99 MB of metadata: 55 s',
    () => file(`{"__metadata__":{${list(6_000_000, (i) => `"t${i}":""`)}}}`),
    /header of/,
  ],
  ['a header of 90 MB of objects', () => file(`{"a":[${list(30_000_000, () => '{}')}]}`), /header of/],
  ['200,000 layers: 29 s', () => layers(200_000), /header of/],
  [
    'a header of 1 MiB of names',
    () => file(`{"__metadata__":{${list(80_000, (i) => `"t${i}":""`)}}}`),
    /no architecture/,
  ],
  [
    'a header of 1 MiB of brackets',
    () => file(`{"a":${'['.repeat(MIB / 2 - 100)}${']'.repeat(MIB / 2 - 100)}}`),
    /not described|unknown dtype/,
  ],
])(
  '%s',
  (_, make, message) => {
    const path = join(dir, 'm.safetensors');
    writeFileSync(path, make());
    const cost = costOf('lib/nn/files/load.ts', 'load', path);
    expect(cost.error).toMatchObject({ code: 'ERR_TENON_FORMAT', message: expect.stringMatching(message) });
    expect(cost.longestTurnMs).toBeLessThan(2500);
    expect(cost.grownBytes / MIB).toBeLessThan(400);
  },
  240_000,
);

test('a longer header is read where the caller allows it', async () => {
  const many = layers(40_000);
  await expect(nn.load(many)).rejects.toThrow(
    /header of \d+ bytes is longer than 1048576 \(option maxHeaderBytes\)/,
  );
  const model = (await nn.load(many, { maxHeaderBytes: 1e7 })) as nn.Sequential;
  expect(model.layers).toHaveLength(40_000);
  await expect(nn.load(many, { maxHeaderBytes: 0 })).rejects.toThrow(OptionError);
  await expect(nn.load(many, { strict: true } as object)).rejects.toThrow(OptionError);
}, 120_000);

const relu = '{"kind":"relu","config":{}}';

test.each<[string, string, string, RegExp]>([
  [
    'a layer name twice',
    'architecture',
    `{"kind":"namedSequential","config":{"names":["a","a"],"layers":[${relu},${relu}]}}`,
    /the name "a" twice/,
  ],
  [
    'a layer name that is a number',
    'architecture',
    `{"kind":"namedSequential","config":{"names":[1],"layers":[${relu}]}}`,
    /the name 1 twice, or not as a text/,
  ],
  [
    'a setting twice',
    'architecture',
    '{"kind":"dropout","config":{"p":0.5,"p":0.1}}',
    /'architecture' names "p" twice/,
  ],
  ['a kind twice', 'architecture', '{"kind":"relu","config":{},"kind":"tanh"}', /names "kind" twice/],
  [
    'a setting that hides in a prototype',
    'architecture',
    '{"kind":"dropout","config":{"__proto__":{"p":0.1}}}',
    /bad settings of "dropout": nn.dropout: unknown option "__proto__"/,
  ],
  [
    'a setting of another layer',
    'architecture',
    '{"kind":"adaptiveAvgPool2d","config":{"size":1,"stride":2}}',
    /no setting "stride"/,
  ],
  [
    'a setting that a container does not have',
    'architecture',
    `{"kind":"sequential","config":{"layers":[${relu}],"repeat":2}}`,
    /bad settings of "sequential": it has no setting "repeat"/,
  ],
  ['an alias twice', 'aliases', '[["a","b"],["a","c"]]', /ties a tensor twice/],
  ['itself as an alias', 'aliases', '[["a","a"]]', /cannot be tied/],
  [
    'an infinite setting',
    'architecture',
    '{"kind":"dropout","config":{"p":1e999}}',
    /bad settings of "dropout"/,
  ],
  [
    'a layer called __proto__ of no kind',
    'architecture',
    '{"kind":"__proto__","config":{}}',
    /no layer "__proto__"/,
  ],
])('a file with %s is refused', async (_, key, text, message) => {
  const metadata = new Map([
    ['format', 'tenon'],
    ['formatVersion', '1'],
    ['architecture', relu],
    [key, text],
  ]);
  const bytes = Buffer.concat(encodeSafetensors({ tensors: new Map(), metadata }));
  await expect(nn.load(bytes)).rejects.toThrow(FormatError);
  await expect(nn.load(bytes)).rejects.toThrow(message);
});
