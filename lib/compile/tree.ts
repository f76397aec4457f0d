/** Arguments and results of compiled functions: tensors inside arrays and plain objects, in any nesting. */
import { TraceError } from '../errors';
import { show } from '../options';
import { Tensor } from '../tensor/tensor';

/** A structure of type `T` with its tensors taken out, in order. */
export interface Tree<T> {
  readonly leaves: readonly Tensor[];
  /** Tells structures apart; part of the cache key. */
  readonly structure: string;
  /** The structure again, with as many other tensors in place of those that were taken out. */
  rebuild(leaves: readonly Tensor[]): T;
}

type Skeleton =
  | { readonly kind: 'leaf'; readonly index: number }
  | { readonly kind: 'list'; readonly items: readonly Skeleton[] }
  | { readonly kind: 'record'; readonly entries: readonly (readonly [string, Skeleton])[] }
  | { readonly kind: 'constant'; readonly value: unknown };

/** The deepest nesting of lists and objects. One that holds itself has no end. */
const DEEPEST = 64;

/**
 * Takes the tensors out of a structure. Numbers, strings, booleans, null and undefined stay in it, as part
 * of the signature.
 */
export function flatten<T>(value: T, where: string): Tree<T> {
  const leaves: Tensor[] = [];
  let structure = '';
  let depth = 0;
  const nested = <S>(visit: () => S): S => {
    if (++depth > DEEPEST)
      throw new TraceError(`${where}: nested more than ${DEEPEST} deep, or it holds itself`);
    const result = visit();
    depth--;
    return result;
  };
  const walk = (v: unknown): Skeleton => {
    if (v instanceof Tensor) {
      structure += '*';
      return { kind: 'leaf', index: leaves.push(v) - 1 };
    }
    if (Array.isArray(v)) {
      structure += '[';
      const items = nested(() => v.map(walk));
      structure += ']';
      return { kind: 'list', items };
    }
    if (typeof v === 'object' && v !== null) return nested(() => walkRecord(v));
    if (typeof v === 'function' || typeof v === 'symbol')
      throw new TraceError(`${where}: cannot hold ${show(v)}`);
    structure += typeof v === 'string' ? `${JSON.stringify(v)},` : `${typeof v}:${String(v)},`;
    return { kind: 'constant', value: v };
  };
  const walkRecord = (v: object): Skeleton => {
    const prototype: unknown = Object.getPrototypeOf(v);
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      throw new TraceError(
        `${where}: expected tensors, arrays and plain objects, got ${show(v)}; make a tensor of it with tensor(data, shape)`,
      );
    }
    structure += '{';
    const entries = Object.entries(v).map(([key, item]) => {
      structure += `${JSON.stringify(key)}:`;
      return [key, walk(item)] as const;
    });
    structure += '}';
    return { kind: 'record', entries };
  };
  const skeleton = walk(value);
  // What was walked is a T, and what is rebuilt has its shape.
  return { leaves, structure, rebuild: (others) => rebuild(skeleton, others) as T };
}

/** The list of several structures. */
export function listOf<T>(trees: readonly Tree<T>[]): Tree<T[]> {
  return {
    leaves: trees.flatMap(({ leaves }) => leaves),
    structure: `[${trees.map(({ structure }) => structure).join('')}]`,
    rebuild: (others) => {
      let begin = 0;
      return trees.map((tree) => tree.rebuild(others.slice(begin, (begin += tree.leaves.length))));
    },
  };
}

function rebuild(skeleton: Skeleton, leaves: readonly Tensor[]): unknown {
  const walk = (s: Skeleton): unknown => {
    switch (s.kind) {
      case 'leaf':
        return leaves[s.index];
      case 'list':
        return s.items.map(walk);
      case 'record':
        return Object.fromEntries(s.entries.map(([key, item]) => [key, walk(item)]));
      case 'constant':
        return s.value;
    }
  };
  return walk(skeleton);
}
