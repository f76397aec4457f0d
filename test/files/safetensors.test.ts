import { FormatError } from '../../lib/errors';
import {
  decodeSafetensors,
  encodeSafetensors,
  MAX_HEADER_BYTES,
  type SafetensorsEntry,
} from '../../lib/files/safetensors';
import { toFloats } from '../../lib/files/numbers';
import { uniform } from '../fixtures/numbers';

function file(header: unknown, data = new Uint8Array(0), headerLength?: number): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(headerLength ?? json.length));
  return Buffer.concat([head, json, data]);
}

const entry = (
  shape: number[],
  bytes: Uint8Array,
  dtype: SafetensorsEntry['dtype'] = 'F32',
): SafetensorsEntry => ({ dtype, shape, bytes });

test('what is written is read, aligned and the same each time', () => {
  const tensors = new Map([
    [
      'a.weight',
      entry(
        [2, 3],
        Uint8Array.from({ length: 24 }, (_, i) => i),
      ),
    ],
    ['__proto__', entry([], Uint8Array.of(1, 2, 3, 4))],
    ['empty', entry([0, 5], new Uint8Array(0))],
    ['bytes', entry([3], Uint8Array.of(9, 8, 7), 'U8')],
  ]);
  const metadata = new Map([['note', 'Größe "x"']]);
  const bytes = Buffer.concat(encodeSafetensors({ tensors, metadata }));
  expect(bytes).toEqual(Buffer.concat(encodeSafetensors({ tensors, metadata })));
  expect(Number(bytes.readBigUInt64LE()) % 8).toBe(0);
  const read = decodeSafetensors('f', bytes);
  expect([...read.metadata]).toEqual([...metadata]);
  expect([...read.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
  for (const [name, { bytes: expected }] of tensors)
    expect([...read.tensors.get(name)!.bytes]).toEqual([...expected]);
  expect(() =>
    encodeSafetensors({ tensors: new Map([['x', entry([3], new Uint8Array(11))]]), metadata }),
  ).toThrow(FormatError);
});

test('floating-point types become float32', () => {
  const floats = (dtype: SafetensorsEntry['dtype'], bytes: Uint8Array): number[] => [
    ...toFloats('x', entry([], bytes, dtype)),
  ];
  expect(floats('F64', new Uint8Array(Float64Array.of(1.5, -2).buffer))).toEqual([1.5, -2]);
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00, 0x7e00, 0x8000);
  expect(floats('F16', new Uint8Array(halves.buffer))).toEqual([1, -2, 2 ** -24, Infinity, NaN, -0]);
  expect(floats('BF16', new Uint8Array(Uint16Array.of(0x3f80, 0xc020).buffer))).toEqual([1, -2.5]);
  expect(() => floats('I32', new Uint8Array(4))).toThrow(
    "tensor 'x': expected floating-point numbers, the file has I32",
  );
  // At an odd address inside a larger buffer.
  const odd = Buffer.concat([Buffer.of(0), Buffer.from(Float32Array.of(7).buffer)]).subarray(1);
  expect(floats('F32', odd)).toEqual([7]);
});

test('numbers are a copy of the bytes, unless they are owned and aligned', () => {
  const given = new Uint8Array(Float32Array.of(7, 8).buffer);
  const odd = Buffer.concat([Buffer.of(0), given]).subarray(1);
  const all = [{}, { owned: true }].map((options) =>
    [given, odd].map((bytes) => toFloats('x', entry([2], bytes), options)),
  );
  expect(all.flat().map((floats) => [...floats])).toEqual([1, 2, 3, 4].map(() => [7, 8]));
  given.fill(0);
  odd.fill(0);
  expect(all.map((pair) => pair.map(([first]) => first))).toEqual([
    [7, 7],
    [0, 7],
  ]);
});

const f4 = (data_offsets: unknown, shape: unknown = [1], dtype: unknown = 'F32'): object => ({
  dtype,
  shape,
  data_offsets,
});
const four = new Uint8Array(4);

test.each<[string, Uint8Array, RegExp]>([
  ['nothing', new Uint8Array(0), /0 bytes are too few/],
  ['a part of the length', new Uint8Array(7), /too few/],
  ['a header longer than the file', file({}, four, 1000), /header of 1000 bytes does not fit/],
  ['a header of 2^63 bytes', file({}, four, 2 ** 62), /does not fit/],
  ['no JSON', file('{"a":'), /not JSON/],
  [
    'no UTF-8',
    Buffer.concat([file('', four, 4).subarray(0, 8), Buffer.from([0xff, 0xfe, 0xfd, 0xfc])]),
    /not JSON in UTF-8/,
  ],
  ['a list', file([]), /not an object/],
  ['a number', file('3'), /not an object/],
  ['null', file('null'), /not an object/],
  ['an entry that is a string', file({ a: 'x' }), /not described by an object/],
  ['an entry that is null', file({ a: null }), /not described/],
  ['an unknown dtype', file({ a: f4([0, 4], [1], 'F33') }, four), /unknown dtype "F33"/],
  ['a dtype from the prototype', file({ a: f4([0, 4], [1], 'constructor') }, four), /unknown dtype/],
  ['a negative dimension', file({ a: f4([0, 4], [-1, -1]) }, four), /bad shape/],
  ['half a dimension', file({ a: f4([0, 4], [0.5, 2]) }, four), /bad shape/],
  ['a shape that is a string', file({ a: f4([0, 4], '1') }, four), /bad shape/],
  ['a shape of 100 axes', file({ a: f4([0, 4], Array(100).fill(1)) }, four), /bad shape/],
  ['a shape that overflows', file({ a: f4([0, 4], [2 ** 40, 2 ** 40]) }, four), /takes/],
  ['no offsets', file({ a: { dtype: 'F32', shape: [1] } }, four), /bad offsets/],
  ['offsets the wrong way', file({ a: f4([4, 0]) }, four), /offsets -4/],
  ['offsets beyond the end', file({ a: f4([4, 8]) }, four), /ends at byte 8, its data has 4/],
  ['negative offsets', file({ a: f4([-4, 0]) }, four), /bad offsets/],
  ['offsets of the wrong size', file({ a: f4([0, 3]) }, four), /takes 4 bytes, its offsets 3/],
  ['an overlap', file({ a: f4([0, 4]), b: f4([0, 4]) }, four), /overlap/],
  ['a hole', file({ a: f4([4, 8]) }, new Uint8Array(8)), /begins at byte 4, expected 0/],
  ['data that nothing names', file({}, four), /take 0 bytes, its data has 4/],
  [
    'a name twice',
    file(`{"a":${JSON.stringify(f4([0, 4]))},"\\u0061" : ${JSON.stringify(f4([0, 4]))}}`, four),
    /names "a" twice/,
  ],
  [
    'a dtype of 20,000 lists in each other',
    file(`{"a":{"dtype":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`),
    /unknown dtype \[\[an array of 1\]\]/,
  ],
  [
    'a string of 9 million escapes',
    file(`{"__metadata__":{"a":"${'\\n'.repeat(9_000_000)}","b":"","b":""}}`),
    /names "b" twice/,
  ],
  ['a name of a quote twice', file('{"\\"":{},"\\u0022":{}}'), /names "\\"" twice/],
  ['metadata that is a list', file({ __metadata__: [] }), /metadata is not an object/],
  ['metadata of numbers', file({ __metadata__: { a: 1 } }), /metadata "a" is not a string/],
])('a file with %s is a FormatError', (_, bytes, message) => {
  expect(() => decodeSafetensors('f', bytes, MAX_HEADER_BYTES)).toThrow(FormatError);
  expect(() => decodeSafetensors('f', bytes, MAX_HEADER_BYTES)).toThrow(message);
});

test('every damaged file is read or refused by a FormatError', () => {
  const tensors = new Map([
    ['w', entry([4, 2], new Uint8Array(32))],
    ['b', entry([2], new Uint8Array(8))],
  ]);
  const good = Buffer.concat(encodeSafetensors({ tensors, metadata: new Map([['format', 'tenon']]) }));
  const random = uniform(30_000, 5);
  let refused = 0;
  for (let i = 0; i + 3 < random.length; i += 3) {
    let bad = Buffer.from(good);
    const at = Math.floor(random[i]! * good.length);
    if (random[i + 1]! < 0.2) bad = bad.subarray(0, at);
    else bad[at] = Math.floor(random[i + 2]! * 256);
    try {
      for (const { shape, bytes } of decodeSafetensors('f', bad).tensors.values())
        expect(bytes.length).toBe(shape.reduce((n, d) => n * d, 4));
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(5000);
});
