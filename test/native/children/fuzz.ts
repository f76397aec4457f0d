/**
 * Random programs and arguments: `fuzz.ts FIRST_ROUND ROUNDS`. A round runs each template once, with numbers
 * of its own, so that a new one changes nothing for the others. Anything may throw; nothing may crash.
 */
import * as native from '../../../lib/native';

type Operand = readonly [dtype: 'r' | 'bf16' | 's' | 'i32' | 'u8' | 'f64', ...dims: number[]];
interface Template {
  readonly kernel: string;
  readonly operands: readonly Operand[];
  readonly attrs: native.KernelAttrs;
}

function template(kernel: string, attrs: native.KernelAttrs, ...operands: Operand[]): Template {
  return { kernel, attrs, operands };
}

const image: Operand = ['r', 2, 5, 6, 3];
const channel: Operand = ['r', 3];
const matrix: Operand = ['r', 4, 5];
const one: Operand = ['r'];
const s: Operand = ['s'];
/** Attributes of every kernel that draws. */
const draws = { key: [1, 2], ordinal: 3, perExample: 7 };
const times = (count: number, operand: Operand): Operand[] => Array<Operand>(count).fill(operand);

/** A crop, one of two flips, and an erased rectangle whose size is drawn: native/augment/program.h. */
const AUGMENTATIONS: readonly number[] = (() => {
  const opcode = (name: string): number => native.augmentations().indexOf(name);
  const fixed = (...values: number[]): number[] => values.flatMap((value) => [value, value, 0]);
  const crop = [opcode('randomCrop'), 1, ...fixed(5, 6, 1, 1, 2, 3, 4)];
  const flips = [opcode('flip'), 1, opcode('verticalFlip'), 0.5];
  const hole = [opcode('cutout'), 0.5, 1, 3, 2, 1, 2, 1, ...fixed(1, 1, 2, 3, 4)];
  const resized = [opcode('randomResizedCrop'), 1, ...fixed(5, 6, 0.2, 0.9, -0.3, 0.3, 0, 1)];
  return [1, ...crop, 2, -2, 1, 2 + flips.length, 2, 1, 1, ...flips, 3, ...hole, 4, ...resized];
})();

/** Calls that are right as they stand; each round runs them with a few things changed. */
const templates: readonly Template[] = [
  ...['relu', 'exp', 'gelu', 'neg', 'softmax', 'log_softmax', 'copy', 'cast'].map((k) =>
    template(k, {}, matrix, matrix),
  ),
  ...['relu_backward', 'gelu_backward', 'softmax_backward', 'add', 'div', 'maximum', 'equal'].map((k) =>
    template(k, {}, image, image, image),
  ),
  template('add', {}, image, ['r', 1, 1, 1, 3], image),
  template('affine', { scale: 2, shift: 1 }, matrix, matrix),
  ...[0, 1, 2, 3].map((unit) => template('dropout', { ...draws, unit, inverted: 1 }, image, s, s, s, image)),
  template('gaussian_noise', { ...draws, scaled: 0 }, image, s, s, s, image),
  template('drop_connect', draws, matrix, ['r', 3, 5], s, s, s, ['r', 4, 3]),
  template('drop_connect_backward_data', draws, ['r', 4, 3], ['r', 3, 5], s, s, s, matrix),
  template('drop_connect_backward_weights', draws, ['r', 4, 3], matrix, s, s, s, ['r', 3, 5]),
  template('renorm', {}, matrix, s, matrix),
  template('from_scalar', {}, s, one),
  template('fill', { value: 2 }, matrix),
  template('permute', { axes: [0, 3, 1, 2] }, image, ['r', 2, 3, 5, 6]),
  template('broadcast', { scale: 2 }, ['r', 1, 5], matrix),
  template('concat', { axis: 1 }, matrix, ['r', 4, 2], ['r', 4, 7]),
  template('slice', { start: [1, 2] }, matrix, ['r', 2, 3]),
  template('pad', { value: 0, before: [1, 2] }, matrix, ['r', 6, 8]),
  template('gather_rows', {}, matrix, ['i32', 3], ['r', 3, 5]),
  template('reduce_sum', { scale: 1 }, image, ['r', 1, 1, 1, 3]),
  template('reduce_max', {}, image, ['r', 2, 1, 6, 3]),
  template('sum_squares', {}, image, matrix, one),
  template('argmax', {}, matrix, ['i32', 4]),
  template(
    'matmul',
    { transposeA: false, transposeB: false, hasBias: true, activation: 1 },
    matrix,
    ['r', 5, 3],
    channel,
    ['r', 4, 3],
  ),
  template(
    'matmul',
    { transposeA: true, transposeB: true, hasBias: false, activation: 0 },
    ['r', 2, 5, 4],
    ['r', 2, 3, 5],
    ['r', 2, 4, 3],
  ),
  template(
    'conv2d',
    {
      stride: [1, 1],
      padding: [1, 1, 1, 1],
      dilation: [1, 1],
      groups: 1,
      hasBias: true,
      hasResidual: false,
      activation: 1,
      algorithm: 0,
    },
    image,
    ['r', 4, 3, 3, 3],
    ['r', 4],
    ['r', 2, 5, 6, 4],
  ),
  template(
    'conv2d',
    {
      stride: [2, 2],
      padding: [0, 1, 2, 0],
      dilation: [1, 1],
      groups: 3,
      hasBias: false,
      hasResidual: false,
      activation: 0,
      algorithm: 1,
    },
    image,
    ['r', 6, 3, 3, 1],
    ['r', 2, 3, 3, 6],
  ),
  template(
    'conv2d_backward_data',
    { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1, algorithm: 0 },
    ['r', 2, 5, 6, 4],
    ['r', 4, 3, 3, 3],
    image,
  ),
  template(
    'conv2d_backward_weights',
    { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1, algorithm: 0 },
    ['r', 2, 5, 6, 4],
    image,
    ['r', 4, 3, 3, 3],
  ),
  template(
    'conv2d_bf16',
    {
      stride: [1, 1],
      padding: [1, 1, 1, 1],
      dilation: [1, 1],
      groups: 1,
      hasBias: false,
      hasResidual: false,
      activation: 1,
      algorithm: 0,
    },
    ['bf16', 2, 5, 6, 3],
    ['r', 4, 3, 3, 3],
    ['bf16', 2, 5, 6, 4],
  ),
  template(
    'matmul_bf16',
    { transposeA: false, transposeB: false, hasBias: false, activation: 0 },
    ['bf16', 4, 5],
    ['r', 5, 3],
    ['bf16', 4, 3],
  ),
  template(
    'max_pool2d',
    { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0], dilation: [1, 1] },
    image,
    ['r', 2, 2, 3, 3],
    ['u8', 2, 2, 3, 3],
  ),
  template(
    'max_pool2d_backward',
    { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0], dilation: [1, 1] },
    ['r', 2, 2, 3, 3],
    ['u8', 2, 2, 3, 3],
    image,
  ),
  template(
    'avg_pool2d',
    { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1], countIncludePad: true },
    image,
    ['r', 2, 3, 3, 3],
  ),
  template(
    'avg_pool2d_backward',
    { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1], countIncludePad: false },
    ['r', 2, 3, 3, 3],
    image,
  ),
  ...[
    { form: 0, kernel: [0, 0] },
    { form: 1, kernel: [0, 0] },
    { form: 2, kernel: [2, 2] },
  ].flatMap((regions, sequence) => {
    const attrs = { ...draws, sequence, ...regions };
    const pooled: Operand[] = [
      ['r', 2, 3, 3, 3],
      ['u8', 2, 3, 3, 3],
    ];
    return [
      template('fractional_max_pool2d', attrs, image, s, s, ...pooled),
      template('fractional_max_pool2d_backward', attrs, ...pooled, s, s, image),
    ];
  }),
  template(
    'batch_norm_train',
    { eps: 1e-5, activation: 1, hasResidual: false },
    image,
    channel,
    channel,
    image,
    channel,
    channel,
  ),
  template(
    'batch_norm_backward',
    { eps: 1e-5, mask: 0, hasResidual: false, hasAddend: false },
    image,
    image,
    channel,
    channel,
    channel,
    image,
    channel,
    channel,
  ),
  template('batch_norm_moments', {}, image, channel, channel),
  template(
    'batch_norm_backward_sums',
    { eps: 1e-5, mask: 1, hasResidual: true, hasAddend: true },
    ...times(2, image),
    ...times(3, channel),
    ...times(2, image),
    ...times(2, channel),
    image,
  ),
  template(
    'batch_norm_backward_shift',
    { eps: 1e-5 },
    ...times(2, image),
    ...times(5, channel),
    ['r', 1],
    image,
  ),
  template('batch_norm_running', { count: 60 }, channel, channel, channel, channel, s, channel, channel),
  template(
    'batch_norm_eval',
    { eps: 1e-5, activation: 0, hasResidual: false },
    image,
    channel,
    channel,
    channel,
    channel,
    image,
  ),
  template(
    'group_norm',
    { groups: 3, eps: 1e-5, affine: true },
    image,
    channel,
    channel,
    image,
    ['r', 2, 3],
    ['r', 2, 3],
  ),
  template(
    'group_norm_backward',
    { groups: 1, eps: 1e-5, affine: true },
    image,
    image,
    channel,
    ['r', 2, 1],
    ['r', 2, 1],
    image,
    channel,
    channel,
  ),
  template(
    'fold_batch_norm',
    { eps: 1e-5, hasBias: false },
    ['r', 3, 3, 3, 2],
    channel,
    channel,
    channel,
    channel,
    ['r', 3, 3, 3, 2],
    channel,
  ),
  template('cross_entropy', { smoothing: 0.1 }, matrix, ['i32', 4], ['r', 4], ['r', 4]),
  template('cross_entropy_backward', { smoothing: 0.1 }, ['r', 4], matrix, ['i32', 4], ['r', 4], matrix),
  template('count_correct', {}, matrix, ['i32', 4], one),
  template('count_top_k', { k: 2 }, matrix, ['i32', 4], one),
  template('accumulate', {}, ['f64', 3], channel, ['f64', 3]),
  template(
    'sgd',
    { nesterov: true, momentum: true, steps: false, decoupled: false, hasScale: false },
    ...times(5, s),
    ...times(5, matrix),
  ),
  template(
    'sgd',
    { nesterov: false, momentum: false, steps: true, decoupled: true, hasScale: true },
    ...times(5, s),
    one,
    ...times(6, matrix),
  ),
  template(
    'adagrad',
    { decoupled: false, epsInside: false, hasScale: false },
    ...times(3, s),
    ...times(5, matrix),
  ),
  template(
    'rmsprop',
    { decoupled: false, epsInside: false, centred: true, momentum: true, hasScale: false },
    ...times(5, s),
    ...times(9, matrix),
  ),
  template(
    'adam',
    { decoupled: false, epsInside: false, uncorrected: false, amsgrad: true, hasScale: false },
    ...times(6, s),
    ...times(9, matrix),
  ),
  template(
    'nadam',
    { decoupled: true, epsInside: false, hasScale: false },
    ...times(8, s),
    ...times(7, matrix),
  ),
  template('lion', { hasScale: false }, ...times(4, s), ...times(5, matrix)),
  template(
    'lars',
    { nesterov: true, momentum: true, steps: false, hasScale: false },
    ...times(8, s),
    ...times(5, matrix),
  ),
  template('lamb', { uncorrected: false, hasScale: true }, ...times(7, s), one, ...times(7, matrix)),
  template('running_mean', {}, s, ...times(6, channel)),
  template(
    'sgd_product',
    { nesterov: false, momentum: true, steps: false, decoupled: false },
    ...times(5, s),
    matrix,
    ['r', 6, 4],
    ['r', 6, 5],
    ...times(3, matrix),
  ),
  template('softplus', {}, matrix, matrix),
  template('binary_cross_entropy', {}, matrix, matrix, matrix),
  template('binary_cross_entropy_backward', {}, ...times(4, matrix)),
  template('column_moments', { power: 2 }, matrix, ['f64', 5], ['f64', 5], ['f64', 5]),
  template('covariance', {}, matrix, ['f64', 5], ['f64', 5, 5], ['f64', 5, 5]),
  template('orthonormal', { gain: 1 }, matrix, matrix),
  template('eigh', {}, ['f64', 5, 5], ['f64', 5], ['f64', 5, 5]),
  template('spectral', {}, ['f64', 4, 5], ['f64', 4], ['r', 5, 5]),
  template('product_squares', {}, ['r', 6, 4], ['r', 6, 5], one),
  template(
    'shard_add',
    { begin: 0, factors: [2, 0] },
    ...times(3, s),
    one,
    matrix,
    one,
    ...times(2, ['r', 2, 48]),
  ),
  template('shard_read', { begin: 0 }, ['r', 2, 48], one, matrix, one),
  template('shard_moments', { shards: 2, counts: [3, 4] }, ...times(7, channel), ['r', 1]),
  template('shard_totals', { shards: 2 }, ...times(6, channel)),
  template('shard_spend', {}, ...times(2, ['r', 2, 48])),
  template('finite_guard', {}, ['i32', 1], one, one, ['i32', 1]),
  template(
    'image_batch',
    { key: [1, 2], flip: 0.5, padding: 1 },
    ['u8', 3, 5, 6, 3],
    ['i32', 2],
    channel,
    channel,
    s,
    image,
  ),
  template(
    'augment_images',
    { key: [1, 2], program: AUGMENTATIONS },
    ['u8', 3, 5, 6, 3],
    ['i32', 2],
    ['i32', 2],
    ['i32', 2],
    s,
    ['u8', 2, 5, 6, 3],
  ),
  template('sample_uniform', { key: [1, 2], place: 1 }, ['i32', 4], ['i32', 4], s, matrix),
  template('random_uniform', { key: [1, 2], low: 0, high: 1 }, matrix),
  template('random_normal', { key: [1, 2], mean: 0, std: 1 }, matrix),
];

/** A number of the text's own (FNV-1a). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** mulberry32: small, good enough, the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const strange = [
  NaN,
  Infinity,
  -Infinity,
  -1,
  0.5,
  -0,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 62,
  -(2 ** 53),
  1e300,
];
const wrong: unknown[] = [
  undefined,
  null,
  {},
  [],
  'x',
  1n,
  Symbol('s'),
  () => 1,
  new Uint8Array(3),
  ...strange,
];
/** Bytes of each place: room for a slot of each operand, because operands of a program do not overlap. */
const PLACE = 65536;
const SLOT = 4096;
const data = Uint8Array.from({ length: PLACE }, (_, i) => (i * 2654435761) >>> 11);
const inputs = [data, Float32Array.from({ length: PLACE / 4 }, (_, i) => Math.sin(i))];
const labels = Int32Array.from({ length: PLACE / 4 }, (_, i) => (i % 7) - (i % 97 === 0 ? 1 : 0));

function fuzz(round: number, { kernel, operands, attrs }: Template): void {
  const random = randomOf(hashOf(JSON.stringify([round, kernel, operands, attrs])));
  const int = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const pick = <T>(from: readonly T[]): T => from[int(0, from.length - 1)] as T;
  const rarely = (odds: number) => random() < odds;
  const changed = pick([0, 0.01, 0.05, 0.2]); // how often a thing is changed
  const odd = pick([0, 0, 0.02]); // how often a number becomes a strange one
  const constant = rarely(0.2); // whether the result is to be kept
  const outputs = constant ? 1 : int(0, operands.length);

  const target = pick(['native', 'ref'] as const);
  const codes = { r: target === 'ref' ? 2 : 0, bf16: 1, s: 2, f64: 2, i32: 4, u8: 3 };
  const table: number[] = [];
  for (const [i, [kind, ...given]] of operands.entries()) {
    const dims = given.map((d) => (rarely(changed) ? int(0, 7) : d));
    if (rarely(changed)) dims[int(0, 5)] = int(0, 3);
    const read = i < operands.length - outputs || rarely(changed); // programs do not write into inputs
    const anywhere = constant ? [0, 2] : read ? [-1, -1, 0, -3, -4] : [-1, -1, 0];
    const places = kind === 's' ? [-2] : kind === 'i32' ? [1] : anywhere;
    const dtype = rarely(changed) ? int(0, 4) : codes[kind];
    const place = pick(places);
    const offset = kind === 's' ? 8 * int(0, 5) : place === 2 ? 0 : SLOT * i + 8 * int(0, 8);
    const row = [place, offset, dtype, rarely(changed) ? int(0, 6) : dims.length];
    row.push(...Array.from({ length: 6 }, (_, d) => dims[d] ?? 0));
    table.push(...row.map((x) => (rarely(odd) ? pick(strange) : x)));
  }
  const number = (x: number): number => (rarely(odd) ? pick(strange) : rarely(changed) ? int(-1, 5) : x);
  const named: [string, number | readonly number[]][] = [];
  for (const [name, value] of Object.entries(attrs)) {
    const numbers = (typeof value === 'object' ? value : [Number(value)]).map(number);
    if (rarely(changed / 4)) numbers.push(int(0, 3));
    if (rarely(changed / 4)) numbers.pop();
    if (!rarely(changed / 4)) named.push([rarely(changed / 4) ? pick(['n', '', name + ' ']) : name, numbers]);
  }
  if (rarely(changed / 4)) named.push([pick(['n', 'eps', '__proto__', 'key']), int(0, 3)]);
  const ids = operands.map((_, i) => (rarely(changed / 4) ? int(0, operands.length) : i));
  const buffers = [native.allocate(PLACE), native.allocate(PLACE)];
  native.fillBufferNow(buffers[0] as native.NativeBuffer, 0, data);
  native.fillBufferNow(buffers[1] as native.NativeBuffer, 0, new Uint8Array(labels.buffer));
  const program = native.createProgram({
    target,
    queue: pick(['train', 'predict'] as const),
    arenaBytes: rarely(odd) ? pick(strange) : PLACE,
    scalars: rarely(odd) ? pick(strange) : 6,
    buffers,
    inputs: [PLACE, PLACE],
    tensors: Float64Array.from(table),
    calls: [{ kernel, tensors: ids, outputs, attrs: Object.fromEntries(named) }],
    constantCalls: Number(constant),
    commitStart: int(0, 2),
    outputs: [int(0, operands.length)].filter((id) => id < operands.length),
  });
  const scalars = Float64Array.from({ length: 6 }, () => (rarely(0.1) ? pick(strange) : random()));
  native.runProgramSync(program, inputs, scalars);
}

/** Every door with arguments of every wrong type. */
function fuzzDoors(seed: number): void {
  const random = randomOf(seed);
  const doors = [
    native.allocate,
    native.disposeBuffer,
    native.writeBuffer,
    native.writeBufferSync,
    native.fillBufferNow,
    native.readBuffer,
    native.readBufferSync,
    native.createProgram,
    native.runProgram,
    native.runProgramSync,
    native.profileProgram,
    native.cancelProgram,
    native.disposeProgram,
    native.setThreads,
    native.setPredictionShare,
  ] as unknown as ((...args: unknown[]) => unknown)[];
  const buffer = native.allocate(64);
  const values = [...wrong, buffer, 'f32', 0, 1, 8, new Float32Array(2)];
  for (const door of doors) {
    const args = Array.from(
      { length: Math.floor(random() * 5) },
      () => values[Math.floor(random() * values.length)],
    );
    try {
      const result = door(...args);
      if (result instanceof Promise) result.catch(() => undefined);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }
  native.setThreads(2);
  native.setPredictionShare(0.5);
}

async function main(): Promise<void> {
  const first = Number(process.argv[2]);
  const ran = new Map(templates.map(({ kernel }) => [kernel, 0]));
  let refused = 0;
  for (let round = first; round < first + Number(process.argv[3]); round++) {
    for (let i = 0; i < 10; i++) fuzzDoors(10 * round + i);
    for (const each of templates) {
      if (process.env.FUZZ_VERBOSE) console.error(`round ${round}: ${JSON.stringify(each)}`);
      try {
        fuzz(round, each);
        ran.set(each.kernel, (ran.get(each.kernel) ?? 0) + 1);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        if (process.env.FUZZ_VERBOSE) console.error(error.message);
        refused++;
      }
    }
    // Handles are freed in a turn of the event loop only.
    await new Promise((resolve) => setImmediate(resolve));
  }
  console.log(JSON.stringify({ refused, ran: Object.fromEntries(ran) }));
}

void main();
