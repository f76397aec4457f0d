/** Lets summary() and others see what each module returned. */
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

/** Records model.forward(x); what each module returned, in the order in which their forward() ended, the model's own last. */
export function recordOutputs(model: Module, x: Tensor): (readonly [Module, Tensor])[] {
  const outputs: (readonly [Module, Tensor])[] = [];
  observeForward(
    (module, output) => outputs.push([module, output]),
    () => model.forward(x),
  );
  return outputs;
}

let modeReaders: Set<Module> | undefined;

/** Notes in `readers` which modules look at their mode while `fn` runs: those whose outputs depend on it. */
export function observeModes<R>(readers: Set<Module>, fn: () => R): R {
  const outer = modeReaders;
  modeReaders = readers;
  try {
    return fn();
  } finally {
    modeReaders = outer;
  }
}

/** Called by modules. */
export function noteModeRead(module: Module): void {
  modeReaders?.add(module);
}
