/** Lets summary() and others see what each module returned. */
import type { Tensor } from '../tensor/tensor';

/** What observers get to see of a module. */
export interface Observed {
  readonly kind: string;
  readonly path: string;
  readonly training: boolean;
  members(): Iterable<[string, unknown]>;
}

export type ForwardObserver = (module: Observed, output: Tensor) => void;

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
export function noteForward(module: Observed, output: Tensor): void {
  observer?.(module, output);
}

/**
 * Records model.forward(x); what each module returned, in the order in which their forward() ended, the
 * model's own last.
 */
export function recordOutputs(
  model: { forward(x: Tensor): Tensor },
  x: Tensor,
): (readonly [Observed, Tensor])[] {
  const outputs: (readonly [Observed, Tensor])[] = [];
  observeForward(
    (module, output) => outputs.push([module, output]),
    () => model.forward(x),
  );
  return outputs;
}

let modeReaders: Set<Observed> | undefined;

/** Notes in `readers` which modules look at their mode while `fn` runs: those whose outputs depend on it. */
export function observeModes<R>(readers: Set<Observed>, fn: () => R): R {
  const outer = modeReaders;
  modeReaders = readers;
  try {
    return fn();
  } finally {
    modeReaders = outer;
  }
}

/** Called by modules. */
export function noteModeRead(module: Observed): void {
  modeReaders?.add(module);
}
