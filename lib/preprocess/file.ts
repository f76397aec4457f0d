/**
 * Fitted transforms in model files: steps in the metadata, what they learnt as
 * tensors named `inputTransform.0.mean`.
 */
import { FormatError } from '../errors';
import { toFloats } from '../files/numbers';
import type { SafetensorsEntry } from '../files/safetensors';
import { filed, type FiledTensor } from '../files/tensor-file';
import { clip, show } from '../options';
import { checkShape, formatShape, sameShape, type Shape } from '../tensor/shape';
import { parseStep, type StepDescription } from './description';
import { FittedTransform } from './fitted';
import { checkSampleShape, learntShapes, makeStep, type FittedStep, type Learnt } from './steps';

/** The key in the metadata. */
export const TRANSFORM_KEY = 'inputTransform';
const PREFIX = `${TRANSFORM_KEY}.`;

/** Whether a tensor of a file belongs to its transform. */
export function isTransformTensor(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** What the metadata says. */
export interface TransformRecord {
  /** The shape of one sample that goes in. */
  readonly shape: Shape;
  readonly steps: readonly unknown[];
}

export function isTransformRecord(value: unknown): value is TransformRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { shape, steps } = value as Record<string, unknown>;
  const sizes =
    Array.isArray(shape) && shape.length <= 5 && shape.every((d) => Number.isSafeInteger(d) && d > 0);
  return sizes && Array.isArray(steps) && steps.length > 0;
}

export function recordOf(transform: FittedTransform): { shape: Shape; steps: readonly StepDescription[] } {
  return { shape: transform.inputShape, steps: transform.steps };
}

/** Tensors of a file, by their names in it. */
export function transformTensors(transform: FittedTransform): [string, FiledTensor][] {
  return [...transform.state()].map(([name, { shape, tensor }]) => [PREFIX + name, filed(tensor, shape)]);
}

/** Puts a transform together from a file that may hold anything. @throws FormatError */
export function restoreTransform(
  where: string,
  record: TransformRecord,
  entries: ReadonlyMap<string, SafetensorsEntry>,
): FittedTransform {
  try {
    checkShape(TRANSFORM_KEY, record.shape);
    const steps: FittedStep[] = [];
    for (const [i, value] of record.steps.entries()) {
      const description = parseStep(where, value);
      const shape = steps[i - 1]?.outputShape ?? record.shape;
      checkSampleShape(description, shape);
      steps.push(makeStep(description, shape, readLearnt(`${PREFIX}${i}.`, description, shape, entries)));
    }
    return new FittedTransform(steps);
  } catch (cause) {
    if (cause instanceof FormatError && cause.message.startsWith(where)) throw cause;
    throw new FormatError(`${clip(where)}: bad ${TRANSFORM_KEY}: ${(cause as Error).message}`, { cause });
  }
}

function readLearnt(
  prefix: string,
  description: StepDescription,
  shape: Shape,
  entries: ReadonlyMap<string, SafetensorsEntry>,
): Learnt {
  const kept = entries.get(`${prefix}eigenvalues`)?.shape[0] ?? 0;
  const learnt = new Map<string, { shape: Shape; data: Float32Array }>();
  for (const [name, expected] of learntShapes(description, shape, kept)) {
    const entry = entries.get(prefix + name);
    if (entry === undefined || !sameShape(entry.shape, expected) || entry.bytes.length === 0) {
      const found = entry === undefined ? 'is missing' : `is ${formatShape(entry.shape)}`;
      throw new FormatError(`tensor ${show(prefix + name)} ${found}, expected ${formatShape(expected)}`);
    }
    learnt.set(name, { shape: expected, data: toFloats(prefix + name, entry) });
  }
  return learnt;
}
