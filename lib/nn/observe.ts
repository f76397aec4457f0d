/** Lets summary() see what each module returned. */
import type { Tensor } from '../tensor/tensor';
import type { Module } from './module';

export type ForwardObserver = (module: Module, output: Tensor) => void;

let observer: ForwardObserver | undefined;

/** Calls `observe` after each module's forward() while `fn` runs. */
export function observeForward<R>(observe: ForwardObserver, fn: () => R): R {
  const outer = observer;
  observer = observe;
  try {
    return fn();
  } finally {
    observer = outer;
  }
}

/** Called by modules. */
export function noteForward(module: Module, output: Tensor): void {
  observer?.(module, output);
}
