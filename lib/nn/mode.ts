/** Training and evaluation mode: running something in one of them and leaving modes as they were. */
/**
 * 'eval' was set by hand; 'loaded' is the evaluation mode of a model that was read from its file, until
 * it is trained. 'sample' is that of predictions that average over noise: evaluation mode, but layers that
 * draw random numbers in training draw them.
 */
export type Mode = 'train' | 'eval' | 'loaded' | 'sample';

/**
 * The key of a module's mode; `training` says less. A symbol leaves all names free for the fields
 * of users' classes.
 */
export const MODE = Symbol('mode');

/** A module's mode, and the modes of its parts. */
export interface Modal {
  [MODE]: Mode;
  namedModules(): ReadonlyMap<string, Modal>;
}

function modules(root: Modal): Modal[] {
  return [...root.namedModules().values()];
}

/**
 * What training has to put into training mode: everything, if the model as a whole was put into evaluation
 * mode; otherwise only what was loaded in evaluation mode. Anything else that is in evaluation mode was put
 * there on purpose.
 */
function resting(root: Modal): Modal[] {
  return modules(root).filter((m) => m[MODE] === 'loaded' || (root[MODE] === 'eval' && m[MODE] === 'eval'));
}

/** Evaluation mode that lasts until the model, or a part of it below another one, is trained. */
export function markLoaded(root: Modal): void {
  for (const module of modules(root)) module[MODE] = 'loaded';
}

/** Training mode for a run of training, where modules are not in evaluation mode on purpose. */
export function beginTraining(root: Modal): void {
  for (const module of resting(root)) module[MODE] = 'train';
}

/**
 * Runs `fn` with every module below `root` in evaluation mode; each gets its own mode back, also
 * when `fn` throws.
 */
export function inEvalMode<R>(root: Modal, fn: () => R): R {
  return inMode(
    modules(root).filter((module) => module[MODE] === 'train'),
    'eval',
    fn,
  );
}

/**
 * Runs `fn` with every module below `root` in evaluation mode, but for the noise that they draw in training.
 */
export function inSampleMode<R>(root: Modal, fn: () => R): R {
  return inMode(modules(root), 'sample', fn);
}

/** The opposite of inEvalMode, for those modules that a run of training would put into training mode. */
export function inTrainingMode<R>(root: Modal, fn: () => R): R {
  return inMode(resting(root), 'train', fn);
}

function inMode<R>(concerned: readonly Modal[], mode: Mode, fn: () => R): R {
  const before = concerned.map((module) => [module, module[MODE]] as const);
  for (const module of concerned) module[MODE] = mode;
  try {
    return fn();
  } finally {
    for (const [module, own] of before) module[MODE] = own;
  }
}
