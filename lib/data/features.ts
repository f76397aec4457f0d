/**
 * Rows of numbers as a data set: measurements, embeddings, or images that are floats already. Targets are
 * classes or numbers.
 */
import { DTypeError, DataError, OptionError } from '../errors';
import { typedArrayTag } from '../native/typed-array';
import { checkKeys, show } from '../options';
import { gatherRows } from '../ops';
import { numel, type Shape } from '../tensor/shape';
import { tensor, type Tensor } from '../tensor/tensor';
import { asLabels } from './memory';
import { packLabels, packRows, type BatchRows, type Recorded, type Samples } from './samples';
import { checkLabels, numberedClasses } from './source';

/** Options of `fromFeatures`. */
export interface FromFeaturesOptions {
  /** All inputs, N rows of `shape`, row-major: a Float32Array, Float64Array or plain numbers. Copied. */
  readonly inputs: ArrayLike<number>;
  /** Shape of one input: [784], or [C, H, W] for images that are floats already. */
  readonly shape: Shape;
  /**
   * N class indices (Int32Array, Uint8Array, or plain whole numbers), or, with `targetShape`, N rows
   * of numbers. Copied.
   */
  readonly targets: ArrayLike<number>;
  /** Shape of one numeric target, for regression: [1]. Without it targets are class indices. */
  readonly targetShape?: Shape;
  /** Names of the classes. Default '0', '1', ... up to the highest label. */
  readonly classNames?: readonly string[];
}

const KEYS = ['inputs', 'shape', 'targets', 'targetShape', 'classNames'] as const;

export class PackedFeatures implements Samples {
  readonly kind = 'features';

  constructor(
    readonly length: number,
    readonly shape: Shape,
    readonly targets: Tensor,
    readonly classNames: readonly string[],
    readonly labels: Int32Array | undefined,
    private readonly rows: Tensor,
  ) {}

  /** Everything is in memory from the start. */
  ensure(): undefined {
    return undefined;
  }

  async values(rows: Int32Array): Promise<Float32Array> {
    return Float32Array.from(await gatherRows(this.rows, tensor(rows)).data());
  }

  /** Features enter as they are. */
  async statistics(): Promise<undefined> {
    return undefined;
  }

  /** Features enter as they are. */
  batch({ index, weights }: BatchRows, targets: Tensor): Recorded {
    return { inputs: gatherRows(this.rows, index), targets, weights };
  }

  readonly ownSizes = false;

  stored(): undefined {
    return undefined;
  }

  dispose(): void {
    this.rows.dispose();
    this.targets.dispose();
  }
}

/** @throws OptionError, DataError, DTypeError naming what came and what was expected */
export async function packFeatures(options: FromFeaturesOptions): Promise<PackedFeatures> {
  checkKeys('fromFeatures', options, KEYS);
  const shape = rowShape('shape', options?.shape);
  const inputs = numbers('inputs', options.inputs);
  const count = rowCount('inputs', inputs.length, shape);
  if (options.targetShape !== undefined) {
    if (options.classNames !== undefined)
      throw new OptionError('fromFeatures: classNames and targetShape exclude each other');
    const targetShape = rowShape('targetShape', options.targetShape);
    const values = numbers('targets', options.targets);
    sameCount(count, rowCount('targets', values.length, targetShape));
    const targets = await packRows(values, count, targetShape);
    return new PackedFeatures(count, shape, targets, [], undefined, await packRows(inputs, count, shape));
  }
  const labels = asLabels('fromFeatures', options.targets);
  sameCount(count, labels.length);
  const highest = labels.reduce((max, label) => Math.max(max, label), 0);
  const classNames = options.classNames ?? numberedClasses(highest + 1);
  checkLabels('fromFeatures', labels, classNames.length);
  const rows = await packRows(inputs, count, shape);
  return new PackedFeatures(count, shape, packLabels(labels), classNames, labels, rows);
}

function rowShape(name: string, shape: unknown): Shape {
  const valid =
    Array.isArray(shape) &&
    shape.length <= 5 &&
    shape.every((d) => Number.isSafeInteger(d) && (d as number) > 0);
  if (!valid)
    throw new OptionError(`fromFeatures: ${name} must be a shape such as [784], got ${show(shape)}`);
  return [...(shape as number[])];
}

function numbers(name: string, values: unknown): Float32Array {
  const tag = typedArrayTag(values);
  if (!Array.isArray(values) && (tag === undefined || tag.startsWith('Big')))
    throw new DTypeError(`fromFeatures: ${name} must be an array of numbers, got ${show(values)}`);
  return Float32Array.from(values as ArrayLike<number>);
}

function rowCount(name: string, length: number, shape: Shape): number {
  const size = numel(shape);
  if (length === 0) throw new DataError(`fromFeatures: ${name} is empty (a detached array is)`);
  if (length % size !== 0)
    throw new DataError(`fromFeatures: ${name} has ${length} values, not a whole number of rows of ${size}`);
  return length / size;
}

function sameCount(inputs: number, targets: number): void {
  if (inputs !== targets) throw new DataError(`fromFeatures: ${inputs} inputs but ${targets} targets`);
}
