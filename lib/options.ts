/**
 * Checks of option objects, and how messages show values, shared by all public functions, so that both read
 * the same everywhere.
 */
import { OptionError } from './errors';

/** Edit distance between two short words, transpositions of neighbours counting one (Damerau 1964). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, at(beforeLast, j - 2) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}

/**
 * The word of `words` nearest to `word`, or undefined if none is near enough to be the one that was meant.
 */
export function nearest(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of words) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** The most characters of one value in a message: the value may be a whole file. */
const SHOWN_LENGTH = 200;

/** A text for a message, such as a path or a name, without its middle where it is long. */
export function clip(text: string): string {
  if (text.length <= SHOWN_LENGTH) return text;
  return `${text.slice(0, 120)}...${text.slice(-(SHOWN_LENGTH - 123))}`;
}

/** Several texts for a message, `a, b, c`, as many of them as are short enough together. */
export function clipList(texts: readonly string[], separator = ', '): string {
  let all = clip(texts[0] ?? '');
  for (let i = 1; i < texts.length; i++) {
    const longer = `${all}${separator}${texts[i]}`;
    if (longer.length > SHOWN_LENGTH) return `${all} and ${texts.length - i} more`;
    all = longer;
  }
  return all;
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : String(error);
}

/** The text of anything thrown, short enough to be a part of a message. */
export function problemOf(error: unknown): string {
  return clip(messageOf(error));
}

/**
 * The first line of an error's message. Node appends the files that asked for a module to that of `require`.
 */
export function firstLineOf(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}

/** As {@link problemOf}, of an error of `require`: its first line alone. */
export function loadProblemOf(error: unknown): string {
  return clip(firstLineOf(error));
}

/**
 * Lists in lists that `show` writes out; a value of a hostile file may have thousands of them, and a list
 * may hold itself.
 */
const SHOWN_DEPTH = 2;

/** A short, safe picture of any value for a message. */
export function show(value: unknown): string {
  return clip(showWithin(SHOWN_DEPTH, value));
}

function showWithin(depth: number, value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  // Writing out a number of millions of digits takes seconds.
  if (typeof value === 'bigint')
    return BigInt.asIntN(64, value) === value ? `${value}n` : 'a bigint beyond 64 bits';
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) {
    if (value.length > 8 || depth === 0) return `an array of ${value.length}`;
    return `[${value.map((item) => showWithin(depth - 1, item)).join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null)
    return madeElsewhere(value)
      ? 'an object that another copy of tenon made (npm ls tenon, pnpm why -r tenon)'
      : `an object (${Object.prototype.toString.call(value).slice(8, -1)})`;
  return String(value);
}

const MAKER = Symbol.for('tenon.maker');
const here = {};

/** Marks what a class of tenon makes, so that messages tell it from what another copy of tenon has made. */
export function madeHere(made: { readonly prototype: object }): void {
  Object.defineProperty(made.prototype, MAKER, { value: here });
}

function madeElsewhere(value: object): boolean {
  const maker = (value as { readonly [MAKER]?: unknown })[MAKER];
  return maker !== undefined && maker !== here;
}

/** As `show`, for a value that should have come from a maker function, such as a layer. */
export function showMade(value: unknown): string {
  return typeof value === 'function' ? 'a function that was not called' : show(value);
}

/**
 * The names that PyTorch, Keras and others have for an option, without case and underscores, and
 * its name here.
 */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  kernel: ['kernelsize', 'filtersize', 'size'],
  stride: ['strides'],
  padding: ['pad'],
  multiplier: ['depthmultiplier'],
  slope: ['negativeslope'],
  low: ['minval', 'a'],
  high: ['maxval', 'b'],
  initial: ['init'],
  features: ['numparameters', 'numfeatures'],
  axis: ['dim'],
  axes: ['dim', 'axis'],
  keepDims: ['keepdim'],
  bias: ['usebias'],
  weightInit: ['kernelinitializer'],
  biasInit: ['biasinitializer'],
  classes: ['numclasses', 'nclasses', 'classcount'],
  inChannels: ['channels'],
  imageSize: ['inputsize', 'resolution'],
  dropout: ['p', 'dropoutrate'],
  lr: ['learningrate'],
  weightDecay: ['wd', 'l2'],
  clipNorm: ['maxnorm', 'gradclip', 'maxgradnorm'],
  alpha: ['rho'],
  eps: ['epsilon'],
  betas: ['beta', 'beta1', 'beta2'],
  positiveWeight: ['posweight'],
  classWeights: ['weight', 'weights', 'classweight'],
  min: ['etamin', 'minlr'],
  growth: ['tmult'],
  length: ['tmax', 'totalsteps', 'totaliters'],
  batchSize: ['bs'],
  validation: ['val', 'validationdata', 'valdata'],
  accumulate: ['gradientaccumulationsteps', 'accumulatesteps'],
  loss: ['criterion', 'lossfn'],
  metric: ['monitor'],
  restoreBest: ['restorebestweights'],
  schedule: ['scheduler', 'lrscheduler'],
  augment: ['transform', 'transforms', 'augmentations'],
  precision: ['amp', 'dtype'],
  epochs: ['numepochs', 'maxepochs', 'nepochs'],
};

/**
 * The option that was meant: one that differs only in case and underscores, one that other libraries call by
 * this name, or the nearest.
 */
function meant(key: string, allowedKeys: readonly string[]): string | undefined {
  const plain = (word: string): string => word.replaceAll('_', '').toLowerCase();
  const wanted = plain(key);
  return (
    allowedKeys.find((known) => plain(known) === wanted) ??
    allowedKeys.find((known) => Object.hasOwn(ALIASES, known) && ALIASES[known]!.includes(wanted)) ??
    nearest(key, allowedKeys)
  );
}

/**
 * Throws if `options` has a key that `allowedKeys` lacks.
 * @param where who is asking, for the message: `optim.sgd`
 * @throws OptionError naming every unknown key, with the nearest known one; also when `options` is not an
 *   object
 */
export function checkKeys(where: string, options: unknown, allowedKeys: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OptionError(`${where}: options must be an object, got ${show(options)}`);
  }
  const unknown = Object.keys(options).filter((key) => !allowedKeys.includes(key));
  if (unknown.length === 0) return;
  const named = unknown.map((key) => {
    const near = meant(key, allowedKeys);
    return near === undefined ? show(key) : `${show(key)} (did you mean ${show(near)}?)`;
  });
  const known = allowedKeys.length > 0 ? `known: ${allowedKeys.join(', ')}` : 'it takes none';
  throw new OptionError(
    `${where}: unknown option${unknown.length > 1 ? 's' : ''} ${clipList(named)}; ${known}`,
  );
}

/** @throws OptionError unless `value` is an object, for options that are required and for parts of them */
export function checkObject(where: string, name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OptionError(`${where}: ${name} must be an object, got ${show(value)}`);
}

/** @throws OptionError unless `value` is an array */
export function checkList(where: string, name: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw new OptionError(`${where}: ${name} must be a list, got ${show(value)}`);
}

/** @throws OptionError unless `value` is a function */
export function checkFunction(where: string, name: string, value: unknown): void {
  if (typeof value !== 'function')
    throw new OptionError(`${where}: ${name} must be a function, got ${show(value)}`);
}

function fail(where: string, name: string, expected: string, value: unknown): never {
  throw new OptionError(`${where}: ${name} must be ${expected}, got ${show(value)}`);
}

/** Returns `value` if it is a safe integer >= 1, else throws OptionError. */
export function positiveInteger(where: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    fail(where, name, 'a positive integer', value);
  return value;
}

/** Returns `value` if it is a safe integer >= 0, else throws OptionError. */
export function nonNegativeInteger(where: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    fail(where, name, 'an integer of at least 0', value);
  }
  return value;
}

/** Returns `value` if it is a finite number, else throws OptionError. */
export function finite(where: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) fail(where, name, 'a finite number', value);
  return value;
}

/** Returns `value` if it is a finite number >= 0, else throws OptionError. */
export function nonNegative(where: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    fail(where, name, 'a finite number of at least 0', value);
  return value;
}

/** Returns `value` if it is a finite number > 0, else throws OptionError. */
export function positive(where: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
    fail(where, name, 'a finite number above 0', value);
  return value;
}

/** Returns `value` if it is a number in [0, 1], else throws OptionError. */
export function probability(where: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1))
    fail(where, name, 'a number from 0 to 1', value);
  return value;
}

/** Returns `value` if it is a boolean, else throws OptionError. */
export function bool(where: string, name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') fail(where, name, 'true or false', value);
  return value;
}

/** Returns `value` if it is a string with at least one character, else throws OptionError. */
export function nonEmptyString(where: string, name: string, value: unknown): string {
  if (typeof value !== 'string' || value.length === 0) fail(where, name, 'a non-empty string', value);
  return value;
}

/** Returns `value` if it is one of `choices`, else throws OptionError listing them. */
export function oneOf<const T extends string | number>(
  where: string,
  name: string,
  value: unknown,
  choices: readonly T[],
): T {
  for (const choice of choices) if (choice === value) return choice;
  const near = typeof value === 'string' ? nearest(value, choices.map(String)) : undefined;
  const hint = near === undefined ? '' : ` (did you mean ${show(near)}?)`;
  throw new OptionError(
    `${where}: ${name} must be one of ${choices.map(show).join(', ')}, got ${show(value)}${hint}`,
  );
}

/** Returns `signal` if it is an AbortSignal or undefined, else throws OptionError. */
export function checkSignal(where: string, signal: unknown): AbortSignal | undefined {
  // Not instanceof: it may come from another realm.
  const usable =
    typeof signal === 'object' && signal !== null && 'aborted' in signal && 'addEventListener' in signal;
  if (signal === undefined || usable) return signal as AbortSignal | undefined;
  throw new OptionError(`${where}: signal must be an AbortSignal, got ${show(signal)}`);
}
