/** States of callbacks: which have one, how a checkpoint keeps them, and how they are read back. */
import { OptionError } from '../errors';
import { clip, show } from '../options';
import type { Json } from '../settings';
import type { Tensor } from '../tensor/tensor';
import type { Callback } from './events';
import type { CallbackState, ResumedRun, SavedTensors } from './saved-state';

/** A callback whose state checkpoints keep. */
type Stateful = Callback & Required<Pick<Callback, 'name' | 'state' | 'restore'>>;

const NAME = /^[\w.-]{1,100}$/;

/** Lists and objects in one another that a state may have. */
const MOST_DEPTH = 16;

export function isStateful(callback: Callback): callback is Stateful {
  return callback.state !== undefined;
}

/** @throws OptionError for a state without a name or `restore`, or a name that two have */
export function checkStates(callbacks: readonly Callback[]): void {
  const names = new Set<string>();
  for (const [i, callback] of callbacks.entries()) {
    if ((callback.state === undefined) !== (callback.restore === undefined))
      throw new OptionError(`fit: callback ${i} must have both state and restore, or neither`);
    if (!isStateful(callback)) continue;
    const name: unknown = callback.name;
    if (typeof name !== 'string' || !NAME.test(name))
      throw new OptionError(
        `fit: callback ${i} has a state, so its name must be letters, digits, dots and dashes, got ${show(name)}`,
      );
    if (names.has(name))
      throw new OptionError(`fit: two callbacks with a state are called '${name}'; give one another name`);
    names.add(name);
  }
}

/** What a checkpoint keeps of all callbacks. */
export interface CallbackStates {
  readonly data: Readonly<Record<string, Json>>;
  /** By `CALLBACK/TENSOR`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** @throws OptionError for data that JSON would change */
export async function statesOf(callbacks: readonly Callback[]): Promise<CallbackStates> {
  const data: [string, Json][] = [];
  const tensors = new Map<string, Tensor>();
  for (const callback of callbacks.filter(isStateful)) {
    const { name } = callback;
    const state: CallbackState = await callback.state();
    checkJson(`callback ${name}: state`, state?.data, MOST_DEPTH);
    data.push([name, state.data]);
    for (const [key, t] of state.tensors ?? []) tensors.set(`${name}/${key}`, t);
  }
  return { data: Object.fromEntries(data), tensors };
}

function checkJson(where: string, value: unknown, depth: number): void {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  if (typeof value === 'object' && depth > 0) {
    const entries = Object.entries(value);
    for (const [key, entry] of entries) checkJson(`${where}.${clip(key)}`, entry, depth - 1);
    return;
  }
  throw new OptionError(`${where} must be plain data with finite numbers, got ${show(value)}`);
}

/** States as a checkpoint holds them. */
export interface SavedStates {
  readonly data: Readonly<Record<string, unknown>>;
  /** By `CALLBACK/TENSOR`. */
  readonly tensors: SavedTensors;
}

/**
 * Gives callbacks back their states. A state that no callback of this run has is passed over.
 * @returns warnings: what was passed over, and which callbacks begin anew
 * @throws what `restore` throws
 */
export async function restoreStates(
  place: string,
  callbacks: readonly Callback[],
  { data, tensors }: SavedStates,
  run: ResumedRun,
): Promise<string[]> {
  const unclaimed = new Set(Object.keys(data));
  const warnings: string[] = [];
  for (const callback of callbacks.filter(isStateful)) {
    const { name } = callback;
    if (unclaimed.delete(name))
      await callback.restore({ data: data[name], tensors: tensorsOf(name, tensors) }, run);
    else warnings.push(`${clip(place)} has no state of the callback ${name}: it begins anew`);
  }
  for (const name of unclaimed)
    warnings.push(`${clip(place)} has a state of the callback ${clip(name)}, which this run does not have`);
  return warnings;
}

/** The tensors of one callback, under its own names. */
function tensorsOf(name: string, tensors: SavedTensors): SavedTensors {
  const prefix = `${name}/`;
  const own = [...tensors].filter(([key]) => key.startsWith(prefix));
  return new Map(own.map(([key, saved]) => [key.slice(prefix.length), saved]));
}
