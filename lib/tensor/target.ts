/**
 * Which target new tensors live on. `native` is the product; `ref` is the float64 reference that
 * tests compare with.
 */
import type { Target } from '../native';
import { checkFunction, oneOf } from '../options';

let current: Target = 'native';

export function defaultTarget(): Target {
  return current;
}

/**
 * Runs `fn` with every tensor, parameter and program created inside it on `target`. On `ref` the same
 * programs run on naive float64 loops, gradient rules included. Async functions are awaited before the old
 * target returns, so do not overlap two.
 */
export function withTarget<R>(target: Target, fn: () => Promise<R>): Promise<R>;
export function withTarget<R>(target: Target, fn: () => R): R;
export function withTarget(target: Target, fn: () => unknown): unknown {
  oneOf('withTarget', 'target', target, ['native', 'ref']);
  checkFunction('withTarget', 'fn', fn);
  const before = current;
  current = target;
  const restore = (): void => {
    current = before;
  };
  let result: unknown;
  try {
    result = fn();
  } catch (error) {
    restore();
    throw error;
  }
  if (result instanceof Promise) return result.finally(restore);
  restore();
  return result;
}
