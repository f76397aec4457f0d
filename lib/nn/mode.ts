/** Running something in evaluation mode and leaving modes as they were. */
import type { Module } from './module';

/** Runs `fn` with every module below `root` in evaluation mode; each gets its own mode back, also when `fn` throws. */
export function inEvalMode<R>(root: Module, fn: () => R): R {
  const training = [...root.namedModules().values()].filter((module) => module.training);
  for (const module of training) module.training = false;
  try {
    return fn();
  } finally {
    for (const module of training) module.training = true;
  }
}

/**
 * The opposite, for a model that is in evaluation mode. Below one that is not, modules in evaluation mode are so on purpose and stay.
 */
export function inTrainingMode<R>(root: Module, fn: () => R): R {
  const resting = root.training ? [] : [...root.namedModules().values()].filter((module) => !module.training);
  for (const module of resting) module.training = true;
  try {
    return fn();
  } finally {
    for (const module of resting) module.training = false;
  }
}
