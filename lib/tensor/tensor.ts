/**
 * A Tensor is either data or a recipe: an op applied to tensors. Making one checks shapes; nothing runs until
 * its values are asked for.
 */
import { DTypeError, ShapeError, TraceError, UninitializedError } from '../errors';
import { MAX_RANK } from '../native';
import { checkFunction, madeHere, oneOf, show } from '../options';
import { dtypeOf, storedDType, toArray, type AnyArray, type DType } from './dtype';
import { checkShape, formatShape, numel, type Shape } from './shape';
import { Storage } from './storage';
import { defaultTarget } from './target';

/** What computes a tensor from others. Only lib/graph makes recipes and knows what is in them: `nodeOf`. */
export interface Recipe {
  readonly inputs: readonly Tensor[];
}

/** Where a tensor's values come from. */
export type Source =
  | { readonly kind: 'storage'; readonly storage: Storage }
  | { readonly kind: 'node'; readonly node: Recipe; readonly index: number }
  /** Numbers kept in JavaScript until a program needs them. */
  | { readonly kind: 'host'; readonly array: AnyArray }
  /** An argument of the function that is being compiled; `trace` identifies that function. */
  | { readonly kind: 'input'; readonly trace: object; readonly index: number }
  /** A number that each run of a program reads again: learning rate, step. */
  | {
      readonly kind: 'scalar';
      /** Read at the beginning of each run. */
      readonly get: () => number;
    };

export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

interface Evaluator {
  evaluate(tensor: Tensor): Promise<AnyArray>;
  evaluateSync(tensor: Tensor): AnyArray;
}

let evaluator: Evaluator | undefined;

/**
 * Called once, by lib/compile/evaluate.ts, which each entry (lib/index.ts, lib/cli/main.ts) imports. The
 * evaluator is built on tensors, so this file cannot import it.
 */
export function setEvaluator(value: Evaluator): void {
  evaluator = value;
}

function engine(): Evaluator {
  if (evaluator === undefined)
    throw new TraceError('the evaluator is not loaded; import tenon by its main entry');
  return evaluator;
}

let nextId = 1;

/** Values of one dtype in a shape, or the recipe of them: calling an op records, and `data()` computes. */
export class Tensor {
  readonly id = nextId++;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Undefined while a parameter or buffer of a module has no memory yet. */
  protected origin: Source | undefined;

  /** Made by {@link tensor} and by ops. @hidden */
  constructor(shape: Shape, dtype: DType, source: Source | undefined) {
    this.shape = shape;
    this.dtype = dtype;
    this.origin = source;
  }

  /** @internal @throws UninitializedError while there is none */
  get source(): Source {
    return this.origin ?? this.refuse();
  }

  /** How many axes there are. */
  get rank(): number {
    return this.shape.length;
  }

  /** How many elements there are. */
  get size(): number {
    return numel(this.shape);
  }

  /**
   * The values, computed if need be, in logical order (N, C, H, W). This is a copy, so changing it
   * does not change the tensor. Float32Array for f32, Int32Array for i32, Uint8Array for u8. The event
   * loop stays free.
   * @throws StaleTensorError when a buffer that this recipe reads has changed since it was recorded
   */
  data(): Promise<AnyArray> {
    return engine().evaluate(this);
  }

  /** As `data()`, but blocks; for scripts. */
  dataSync(): AnyArray {
    return engine().evaluateSync(this);
  }

  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    return single(this, await this.data());
  }

  /** As `item()`, but blocks. */
  itemSync(): number {
    return single(this, this.dataSync());
  }

  /** What is written when `value` is assigned to this tensor: pruned parameters keep their zeros. */
  admit(value: Tensor): Tensor {
    return value;
  }

  /**
   * Frees the memory of a persistent tensor now instead of at garbage collection. Other tensors have none
   * of their own.
   */
  dispose(): void {
    // See PersistentTensor and LazyTensor.
  }

  /** Throws the error of reading a tensor that has no values. */
  protected refuse(): never {
    throw new UninitializedError(`${this.toString()} has no values`);
  }

  /** Shape and dtype, for messages. */
  toString(): string {
    return `Tensor(${formatShape(this.shape)}, ${this.dtype})`;
  }
}

function single(tensor: Tensor, values: AnyArray): number {
  if (values.length !== 1)
    throw new ShapeError(`item: needs a tensor with one element, this one is ${formatShape(tensor.shape)}`);
  return values[0]!;
}

/** Numbers in row-major order: flat, or in nested lists that show their shape. */
export type TensorData = AnyArray | NestedNumbers | number;

/** `[[1, 2], [3, 4]]`: lists of one length at each depth. */
export type NestedNumbers = readonly number[] | readonly NestedNumbers[];

/** Puts the numbers of nested lists into `out`, all of which must be of the shape of the first ones. */
function unnest(data: unknown, shape: readonly number[], out: number[]): void {
  const [length, ...rest] = shape;
  if (length === undefined) {
    if (typeof data !== 'number') throw new DTypeError(`tensor: expected a number, got ${show(data)}`);
    out.push(data);
    return;
  }
  if (!isList(data) || data.length !== length)
    throw new ShapeError(`tensor: expected lists of equal length, got ${length} and then ${show(data)}`);
  for (const item of data) unnest(item, rest, out);
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function fromLists(data: readonly unknown[]): { values: number[]; shape: number[] } {
  const shape: number[] = [];
  for (let item: unknown = data; isList(item) && shape.length <= MAX_RANK; item = item[0])
    shape.push(item.length);
  const values: number[] = [];
  unnest(data, shape, values);
  return { values, shape };
}

const dtypes = ['f32', 'f64', 'i32', 'u8'] as const;

/**
 * Makes a tensor from numbers, which are copied. `shape` defaults to that of nested lists, to [length] for
 * typed arrays and to [] for a number; `dtype` to what the array holds: f32 for Float32Array, Float64Array
 * and plain numbers, i32 for Int32Array, u8 for Uint8Array.
 * @throws ShapeError when the count does not fit the shape; DTypeError when an element does not fit the dtype
 */
export function tensor(data: TensorData, shape?: Shape, dtype?: DType): Tensor {
  const host = numbers(data, shape, dtype);
  return new Tensor(host.shape, host.dtype, { kind: 'host', array: host.array });
}

/**
 * @internal As `tensor`, for an array that is not written to while the tensor is used: copied only where it
 *   is not stored as it is. A run copies its inputs when it is queued.
 */
export function borrowed(data: Uint8Array | Float32Array, shape: Shape): Tensor {
  const dtype = dtypeOf('tensor', data);
  const asStored = storedDType(dtype, defaultTarget()) === dtype && isUnshared(data);
  if (!asStored || numel(shape) !== data.length || data.length === 0) return tensor(data, shape);
  return new Tensor([...shape], dtype, { kind: 'host', array: data });
}

function isUnshared({ buffer }: ArrayBufferView): boolean {
  return Object.prototype.toString.call(buffer) === '[object ArrayBuffer]';
}

/** What `tensor` is given: its numbers, and the dtype and shape that they have by themselves. */
function valuesOf(data: TensorData): {
  readonly values: AnyArray | readonly number[];
  readonly natural: DType;
  readonly found: Shape;
} {
  if (typeof data === 'number') return { values: [data], natural: 'f32', found: [] };
  if (ArrayBuffer.isView(data))
    return { values: data, natural: dtypeOf('tensor', data), found: [data.length] };
  if (!isList(data))
    throw new DTypeError(`tensor: expected a typed array, lists of numbers or a number, got ${show(data)}`);
  const { values, shape } = fromLists(data);
  return { values, natural: 'f32', found: shape };
}

/** Checks and copies what `tensor` is given. */
function numbers(data: TensorData, shape?: Shape, dtype?: DType): TensorType & { readonly array: AnyArray } {
  const { values, natural, found } = valuesOf(data);
  const type = oneOf('tensor', 'dtype', dtype ?? natural, dtypes);
  const dims = shape ?? found;
  checkShape('tensor', dims);
  const array = toArray('tensor', values, type, numel(dims), defaultTarget());
  return { shape: [...dims], dtype: type, array };
}

madeHere(Tensor);

/** A tensor with memory of its own from the beginning, which programs can assign to. */
export class PersistentTensor extends Tensor {
  /** @internal */
  readonly storage: Storage;

  /** @internal */
  constructor(storage: Storage) {
    super(storage.shape, storage.dtype, { kind: 'storage', storage });
    this.storage = storage;
  }

  override dispose(): void {
    this.storage.dispose();
  }
}

/** A tensor of zeros with memory of its own, which programs can assign to: a persistent buffer. */
export function zeros(shape: Shape, dtype: DType = 'f32'): PersistentTensor {
  checkShape('zeros', shape);
  oneOf('zeros', 'dtype', dtype, [...dtypes, 'bf16']);
  return new PersistentTensor(new Storage([...shape], dtype));
}

/** A persistent buffer with these contents, copied now. */
export function persistent(data: TensorData, shape?: Shape, dtype?: DType): PersistentTensor {
  const host = numbers(data, shape, dtype);
  const made = zeros(host.shape, host.dtype);
  made.storage.fill(host.array);
  return made;
}

/**
 * A number that is read again at each run of a compiled program, so that changing it compiles nothing: f64,
 * rank 0. Ops take it where their documentation says so; `fromScalar` makes an ordinary f32 tensor of it.
 */
export function runtimeScalar(get: () => number): Tensor {
  checkFunction('runtimeScalar', 'get', get);
  return new Tensor([], 'f64', { kind: 'scalar', get });
}

/** Refuses what is not a tensor, with the argument's name. @throws DTypeError */
export function checkTensor(where: string, name: string, value: unknown): asserts value is Tensor {
  if (!(value instanceof Tensor))
    throw new DTypeError(`${where}: ${name} must be a tensor, got ${show(value)}`);
}
