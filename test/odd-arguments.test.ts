/**
 * Every public function and method with arguments that make no sense: what is thrown, or rejected with, is a
 * TenonError that says what came. Combinations are drawn at random, but the same ones each time: a function's
 * seed is its name.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tenon from '../lib';

const { data, losses, metrics, nn, ops, optim, preprocess, schedules, tensor, zeros } = tenon;

/** Combinations tried of each function. */
const TRIES = Number(process.env['TENON_ODD_TRIES'] ?? 120);

type Call = (...args: unknown[]) => unknown;

const directory = mkdtempSync(join(tmpdir(), 'tenon-odd-'));
const checkout = process.cwd();
// Odd strings such as 'x' are also the names of files that save() writes.
beforeAll(() => process.chdir(directory));
afterAll(() => {
  process.chdir(checkout);
  rmSync(directory, { recursive: true, force: true });
});

function cyclic(): unknown[] {
  const list: unknown[] = [1];
  list.push(list);
  return list;
}

function cyclicObject(): object {
  const object: Record<string, unknown> = {};
  object['self'] = object;
  return object;
}

function detached<T extends ArrayBufferView<ArrayBuffer>>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function resizable(byteLength: number): ArrayBuffer {
  return Reflect.construct(ArrayBuffer, [byteLength, { maxByteLength: 4 * byteLength }]) as ArrayBuffer;
}

/** Makers, as some of these are changed by what takes them. */
const odd: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => 0,
  () => -1,
  () => 5,
  () => 0.5,
  () => NaN,
  () => Infinity,
  () => 2 ** 53,
  () => '',
  () => 'x',
  () => 'relu',
  () => '1'.repeat(10_000),
  () => [],
  () => [undefined],
  () => [null, 'x', {}],
  () => [5, 5],
  () => [NaN],
  () => [-1, 2 ** 40],
  () => cyclic(),
  () => ({}),
  () => ({ nonsense: 1 }),
  () => Object.create(null) as object,
  () => cyclicObject(),
  () => new Map([['a', 1]]),
  () => new Date(NaN),
  () => Symbol('odd'),
  () => [Symbol('odd')],
  () => 10n,
  () => new BigInt64Array(2),
  () => new DataView(new ArrayBuffer(4)),
  () => new ArrayBuffer(8),
  () => detached(new Float32Array(4)),
  () => detached(new Uint8Array(4)),
  () => new Float32Array(new SharedArrayBuffer(16)),
  () => new Float32Array(resizable(16)),
  () => new Proxy({}, {}),
  () => new Proxy([], {}),
  () => () => undefined,
  () => async () => undefined,
  () => Promise.resolve(1),
  () => ({ then: 5 }),
];

class Forgets extends nn.Module {
  override forward(): tenon.Tensor {
    return undefined as unknown as tenon.Tensor;
  }
}

let images: tenon.data.Dataset | undefined;

/** Values that some argument of some function takes, so that the arguments behind it are looked at. */
const plausible: readonly (() => unknown)[] = [
  () => tensor([1, 2, 3, 4], [1, 1, 2, 2]),
  () =>
    tensor([
      [1, 2],
      [3, 4],
    ]),
  () => tensor([1, 2]),
  () => tensor(new Int32Array([0, 1])),
  () => tensor(new Uint8Array([0, 1])),
  () => tenon.runtimeScalar(() => 1),
  () => tenon.runtimeScalar(() => 'x' as unknown as number),
  () => zeros([2]),
  () => new Float32Array([1, 2, 3, 4]),
  () => new Uint8Array([1, 2, 3, 4]),
  () => [2, 2],
  () => [
    [1, 2],
    [3, 4],
  ],
  () => 1,
  () => 2,
  () => nn.linear(2, 2),
  () => nn.conv2d(1, 1, { kernel: 1 }),
  () => new Forgets(),
  () => nn.parameter([2], nn.init.zeros()),
  () => losses.mse(),
  () => losses.crossEntropy(),
  () => losses.crossEntropy,
  () => optim.sgd({ lr: 0.1 }),
  () => optim.sgd,
  () => schedules.cosine(),
  () => metrics.running(metrics.accuracy()),
  () => preprocess.center(),
  () => new tenon.Trainer(nn.linear(2, 2), { loss: losses.mse(), optimizer: optim.sgd({ lr: 0.1 }) }),
  () => images,
  () => 'zeros',
  () => '/nowhere/at/all',
  () => join(directory, 'file'),
];

/** What is not tried, and why. */
const MADE_BY_TENON = 'its parts are made and checked by tenon';
const READ_BY_TENON = 'takes what a checkpoint held, which its reader has checked';
const ONLY_EXTENDED = 'abstract: calls come from a class that extends it';
const exempt: Readonly<Record<string, string>> = {
  'new Tensor': MADE_BY_TENON,
  'new Parameter': MADE_BY_TENON,
  'new Gradients': MADE_BY_TENON,
  'new Fit': MADE_BY_TENON,
  'new preprocess.FittedTransform': MADE_BY_TENON,
  'new distributed.World': MADE_BY_TENON,
  'new optim.Optimizer': ONLY_EXTENDED,
  'new optim.WeightAverage': ONLY_EXTENDED,
  'Dataset.batch': 'takes a recipe that plainRecipe makes',
  'Dataset.inputsOf': 'takes rows that rowsAt returns',
  'Dataset.plainRecipe': 'takes statistics that statistics() makes',
  'Optimizer.checkState': READ_BY_TENON,
  'Optimizer.loadState': READ_BY_TENON,
  'WeightAverage.checkState': READ_BY_TENON,
  'WeightAverage.loadState': READ_BY_TENON,
  'ops.checkWindow': 'takes the name of an op, for writers of ops',
  'data.glyphs': 'draws 14,000 images at each call',
  'Callback.onEvent': 'takes events that fit makes',
  'distributed.join': 'a process joins once, and a later test of it may share this one',
  describeEpoch: 'takes a record that fit makes',
  'Gradients.map': 'what it throws is what the given function throws',
};

/** Methods that TypeScript hides: private, protected or `@internal`. */
function hiddenMethods(): ReadonlySet<string> {
  const lib = join(__dirname, '..', 'lib');
  const hidden = new Set<string>();
  for (const file of readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((f) =>
    f.endsWith('.ts'),
  )) {
    const source = readFileSync(join(lib, file), 'utf8');
    const pattern =
      /(?:@internal.*\*\/\n|^) *(?:(?:private|protected) )(?:abstract |async |override |static )*(\w+)[(<]|@internal.*\*\/\n *(?:async )?(\w+)[(<]/gm;
    for (const [, first, second] of source.matchAll(pattern)) hidden.add(first ?? second!);
  }
  return hidden;
}

/** Functions by the name a user writes. Constructors are called with `new`. */
function publicFunctions(): Map<string, Call> {
  const found = new Map<string, Call>();
  const visit = (prefix: string, value: unknown): void => {
    if (typeof value === 'function') {
      const isClass = String(value).startsWith('class');
      // As with Error, the message may be anything.
      if (value === tenon.TenonError || value.prototype instanceof tenon.TenonError) return;
      const call: Call = isClass
        ? (...args) => new (value as new (...args: unknown[]) => unknown)(...args)
        : (...args) => (value as Call)(...args);
      found.set(isClass ? `new ${prefix}` : prefix, call);
    } else if (typeof value === 'object' && value !== null && !prefix.includes('.')) {
      for (const [key, item] of Object.entries(value)) visit(prefix === '' ? key : `${prefix}.${key}`, item);
    }
  };
  for (const [key, value] of Object.entries(tenon)) visit(key, value);
  visit('nn.init', undefined);
  for (const [key, value] of Object.entries(nn.init)) found.set(`nn.init.${key}`, value as Call);
  return found;
}

/** Methods and setters of what the public functions return, each called on a new object. */
function publicMethods(): Map<string, Call> {
  const makers: Readonly<Record<string, () => object>> = {
    Tensor: () => tensor([1, 2]),
    Module: () => nn.sequential(nn.linear(2, 2), nn.relu()),
    'Module of one without outputs': () => new Forgets(),
    Trainer: () =>
      new tenon.Trainer(nn.linear(2, 2), { loss: losses.mse(), optimizer: optim.sgd({ lr: 0.1 }) }),
    Optimizer: () => optim.adam(),
    WeightAverage: () => optim.ema(),
    Dataset: () => images ?? data.Dataset.prototype, // while names are collected
    Running: () => metrics.running(metrics.accuracy()),
    RandomState: () => new tenon.RandomState(1),
    Gradients: () => {
      const p = tensor([1, 2]);
      return new tenon.Gradients(p, new Map());
    },
    Transform: () => preprocess.pca(),
    Callback: () => tenon.checkpoint(directory),
    Compiled: () => tenon.compile((x: unknown) => x),
    Loss: () => losses.crossEntropy(),
    Schedule: () => schedules.cosine(),
    Augmentation: () => tenon.augment.flip(),
  };
  const found = new Map<string, Call>();
  for (const [name, make] of Object.entries(makers)) {
    for (const method of methodsOf(make()))
      found.set(`${name}.${method}`, (...args) => {
        const object = make() as Record<string, Call>;
        return object[method]!(...args);
      });
  }
  return found;
}

const hidden = hiddenMethods();

function methodsOf(object: object): string[] {
  const names = new Set<string>();
  for (let at: object | null = object; at !== null && at !== Object.prototype && at !== Function.prototype;) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (typeof value === 'function' && name !== 'constructor' && !hidden.has(name)) names.add(name);
    at = Object.getPrototypeOf(at) as object | null;
  }
  return [...names];
}

function randomOf(name: string): () => number {
  let state = 2166136261;
  for (const character of name) state = Math.imul(state ^ character.charCodeAt(0), 16777619);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Known options of a function, as its message about an unknown one lists them. */
async function optionsOf(call: Call, before: readonly unknown[]): Promise<string[]> {
  try {
    await call(...before, { nonsense: 1 });
  } catch (error) {
    return /known: ([\w, ]+)/.exec((error as Error).message)?.[1]?.split(', ') ?? [];
  }
  return [];
}

function drawArguments(random: () => number, options: readonly string[]): unknown[] {
  const any = (): unknown => {
    const from = random() < 0.5 ? odd : plausible;
    return from[Math.floor(random() * from.length)]!();
  };
  return Array.from({ length: Math.floor(random() * 4) + 1 }, () => {
    if (options.length === 0 || random() < 0.6) return any();
    return Object.fromEntries(options.filter(() => random() < 0.4).map((key) => [key, any()]));
  });
}

/** What a call threw that is not a TenonError, on one line. */
async function fault(call: Call, args: readonly unknown[]): Promise<string | undefined> {
  try {
    const result = await call(...args);
    if (result instanceof tenon.Tensor && result.size < 100) await result.data();
  } catch (error) {
    if (error instanceof tenon.TenonError) return undefined;
    return error instanceof Error ? (error.stack ?? '').split('\n').slice(0, 6).join('\n') : String(error);
  }
  return undefined;
}

beforeAll(async () => {
  images = await data.fromArrays({
    images: new Uint8Array(32),
    shape: [2, 2, 1],
    labels: [0, 1, 0, 1, 0, 1, 0, 1],
  });
});

const every = [...publicFunctions(), ...publicMethods()].filter(([name]) => !(name in exempt));

test.each(every)('%s', async (name, call) => {
  const random = randomOf(name);
  const options = [
    ...(await optionsOf(call, [])),
    ...(await optionsOf(call, [1])),
    ...(await optionsOf(call, [1, 1])),
  ];
  const faults = new Map<string, string>();
  for (let i = 0; i < TRIES; i++) {
    const found = await fault(call, drawArguments(random, options));
    if (found !== undefined) faults.set(found.split('\n')[0]!, found);
  }
  expect([...faults.values()].join('\n')).toBe('');
});

describe('by name', () => {
  const model = (): tenon.nn.Module => nn.sequential(nn.linear(2, 2));
  const code = async (run: () => unknown): Promise<unknown> => {
    try {
      await run();
    } catch (error) {
      return (error as tenon.TenonError).code;
    }
    return 'nothing was thrown';
  };

  test('an array that is detached, or shrinks, while predict runs', async () => {
    const inputs = new Float32Array(2 * 64);
    const running = model().predict(inputs, { shape: [2], batchSize: 1 });
    detached(inputs);
    await expect(running).rejects.toThrow(/predict: the array was detached or resized meanwhile/);
    const buffer = resizable(4 * 2 * 64) as ArrayBuffer & { resize(byteLength: number): void };
    const shrinking = model().predict(new Float32Array(buffer), { shape: [2], batchSize: 1 });
    buffer.resize(4 * 2);
    await expect(shrinking).rejects.toThrow(/predict: the array was detached or resized meanwhile/);
  });

  test('arrays over shared and resizable memory are as good as others', async () => {
    const plain = await model().predict(Float32Array.of(1, 2, 3, 4), { shape: [2] });
    for (const buffer of [new SharedArrayBuffer(16), resizable(16)]) {
      const inputs = new Float32Array(buffer);
      inputs.set([1, 2, 3, 4]);
      expect(await model().predict(inputs, { shape: [2] })).toEqual(plain);
      expect([...(await tensor(inputs).data())]).toEqual([1, 2, 3, 4]);
    }
  });

  test('detached arrays are refused and not taken for empty ones', async () => {
    expect(await code(() => model().predict(detached(new Float32Array(4)), { shape: [2] }))).toBe(
      'ERR_TENON_DATA',
    );
    expect(() => tensor(detached(new Float32Array(4)))).toThrow(/tensor: the array is detached/);
    expect([...(await tensor(new Float32Array(0)).data())]).toEqual([]);
  });

  test('a forward that returns no tensor, also inside a model', async () => {
    const wrong = nn.sequential(nn.linear(2, 2), new Forgets());
    expect(() => wrong.initialize().forward(tensor([[1, 2]]))).toThrow(
      /^forward '1': what it returns must be a tensor, got undefined$/,
    );
    expect(await code(() => wrong.predict(new Float32Array(2), { shape: [2] }))).toBe('ERR_TENON_DTYPE');
  });

  test('arguments that hold themselves', async () => {
    const identity = tenon.compile((x: unknown) => x);
    for (const value of [cyclic(), cyclicObject()])
      await expect(identity(value)).rejects.toThrow(/argument: nested more than 64 deep, or it holds itself/);
    expect(() => tenon.compile(() => cyclic()).runSync()).toThrow(/returned value: nested more than 64 deep/);
  });

  test('ops.slice of numbers', () => {
    const x = tensor([1, 2, 3]);
    expect(() => (ops.slice as Call)(x, 0, 2)).toThrow(
      /slice: a shape must be an array of dimensions, got 0/,
    );
    expect(() => (ops.slice as Call)(5, [0], [2])).toThrow(/slice: x must be a tensor, got 5/);
    expect(() => ops.slice(x, [], [3])).toThrow(/slice: \[3\] at \[\] is not inside \[3\]/);
  });

  test('signal: 5', async () => {
    const wrong = { shape: [2], signal: 5 as unknown as AbortSignal };
    await expect(model().predict(new Float32Array(2), wrong)).rejects.toThrow(
      /predict: signal must be an AbortSignal, got 5/,
    );
    expect(() => model().predictSync(new Float32Array(2), wrong)).toThrow(
      /predict: signal must be an AbortSignal, got 5/,
    );
  });
});

test('an option that is undefined is one that was left out', async () => {
  const faults: string[] = [];
  for (const [name, call] of [...publicFunctions()].filter(([known]) => !(known in exempt)))
    for (const before of [[], [2], [2, 2], [nn.linear(2, 2)], [tensor([[1, 2]])]])
      for (const key of await optionsOf(call, before)) {
        const [without, withUndefined] = [
          await messageOf(call, [...before, {}]),
          await messageOf(call, [...before, { [key]: undefined }]),
        ];
        if (without !== withUndefined) faults.push(`${name} ${key}: ${withUndefined}, without it ${without}`);
      }
  expect(faults).toEqual([]);
});

async function messageOf(call: Call, args: readonly unknown[]): Promise<string> {
  try {
    await call(...args);
    return 'nothing';
  } catch (error) {
    return (error as Error).message;
  }
}
