/**
 * A checkpoint is a directory with `model.safetensors`, `optimizer.safetensors` and `state.json`, and
 * `average.safetensors` if weights are averaged, `callbacks.safetensors` if callbacks keep tensors. It is
 * written under a temporary name, synced and renamed to `checkpoint-STEP`; then the file `latest` beside it
 * is replaced. Whatever interrupts this, the checkpoint that `latest` names is whole.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { LastBatch } from '../data/cut';
import { DataError, FormatError, IoError, OptionError, TenonError } from '../errors';
import { renameOver, syncDirectory, writeFileAtomic } from '../files/atomic-file';
import { lockDirectory, type DirectoryLock } from '../files/directory-lock';
import { fileDigest, pathKind, readText } from '../files/read';
import { checkSeal, seal } from '../files/sealed-json';
import { MAX_HEADER_BYTES } from '../files/safetensors';
import { info } from '../native';
import { readSafetensors } from '../nn/files/model-file';
import { checkFrozenNames, frozenNames, restoreFrozen } from '../nn/freeze';
import type { Module } from '../nn/module';
import { clip, clipList, problemOf, show } from '../options';
import type { Precision } from '../tensor/dtype';
import type { WeightAverage } from '../optim/average';
import type { Optimizer } from '../optim/optimizer';
import { restoreStates, statesOf } from './callback-state';
import type { Callback } from './events';
import type { SavedTensors } from './saved-state';
import { decodeTensors, writeTensors } from './saved-tensors';
import { parsePosition, stateJson, type Position } from './position';
import { FORM, FORM_WITHOUT_CHECKSUM, parseState, type StateFile } from './state-file';

/** What a checkpoint holds besides a position. */
export interface Trained {
  readonly model: Module;
  readonly optimizer: Optimizer;
  readonly precision: Precision;
  readonly average: WeightAverage | undefined;
  readonly callbacks: readonly Callback[];
}

/** A checkpoint that was read: model and optimizer are loaded. */
export interface Resumed {
  readonly position: Position;
  readonly warnings: readonly string[];
}

const MODEL_FILE = 'model.safetensors';
const OPTIMIZER_FILE = 'optimizer.safetensors';
const AVERAGE_FILE = 'average.safetensors';
const CALLBACKS_FILE = 'callbacks.safetensors';
const STATE_FILE = 'state.json';
const LATEST_FILE = 'latest';

/** Takes a directory for the checkpoints of one run. @throws BusyError, IoError */
export function lockCheckpoints(root: string): Promise<DirectoryLock> {
  return lockDirectory(root, [LATEST_FILE]);
}

/**
 * Saves a checkpoint in `root`, and deletes all but the newest `keep`. The caller holds the lock of `root`
 * and queues no step meanwhile.
 * @returns the directory of the checkpoint
 * @throws IoError if the system refuses; earlier checkpoints stay as they are
 */
export async function writeCheckpoint(
  root: string,
  trained: Trained,
  position: Position,
  keep = 2,
): Promise<string> {
  const temporary = join(root, `.saving-${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(temporary, { recursive: true });
    await writeContents(temporary, trained, position);
    const name = await freeName(root, `checkpoint-${position.step}`);
    await renameOver(temporary, join(root, name));
    await syncDirectory(root);
    await writeFileAtomic(join(root, LATEST_FILE), [Buffer.from(`${name}\n`)]);
    // The new checkpoint is safe by now. Failing to delete an old one must not end the training.
    await prune(root, name, keep).catch(() => undefined);
    return join(root, name);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    if (error instanceof TenonError) throw error;
    throw new IoError(`checkpoint: cannot save in ${clip(root)}: ${problemOf(error)}`, { cause: error });
  }
}

async function writeContents(
  directory: string,
  { model, optimizer, precision, average, callbacks }: Trained,
  position: Position,
): Promise<void> {
  const files = { model: join(directory, MODEL_FILE), optimizer: join(directory, OPTIMIZER_FILE) };
  const averageFile = join(directory, AVERAGE_FILE);
  await model.save(files.model);
  const { step, tensors, born } = optimizer.state();
  await writeTensors(files.optimizer, optimizer.kind, tensors);
  if (average !== undefined) await writeTensors(averageFile, average.kind, average.state().tensors);
  const states = await statesOf(callbacks);
  const callbacksFile = join(directory, CALLBACKS_FILE);
  if (states.tensors.size > 0) await writeTensors(callbacksFile, 'callbacks', states.tensors);
  const { version, isa, bf16 } = info();
  const state: StateFile = {
    form: FORM,
    version,
    isa,
    precision,
    ...(precision === 'bf16' && { bf16Path: bf16.path }),
    frozen: frozenNames(model.tree()),
    optimizer: { kind: optimizer.kind, step, ...(born.size > 0 && { born: Object.fromEntries(born) }) },
    ...(average && { average: { kind: average.kind, count: average.count, statistics: average.statistics } }),
    ...(Object.keys(states.data).length > 0 && { callbacks: states.data }),
    sha256: {
      model: await fileDigest(files.model),
      optimizer: await fileDigest(files.optimizer),
      ...(average && { average: await fileDigest(averageFile) }),
      ...(states.tensors.size > 0 && { callbacks: await fileDigest(callbacksFile) }),
    },
    position,
  };
  await writeFileAtomic(join(directory, STATE_FILE), [Buffer.from(seal(stateJson(state)))]);
  await syncDirectory(directory);
}

async function readTensors(file: string): Promise<SavedTensors> {
  return decodeTensors(await readSafetensors(file, MAX_HEADER_BYTES));
}

/**
 * Each run counts its own steps, so a directory may hold another run's checkpoint of the same step. It
 * is never overwritten.
 */
async function freeName(root: string, name: string): Promise<string> {
  for (let i = 0; ; i++) {
    const candidate = i === 0 ? name : `${name}-${i}`;
    if ((await pathKind(join(root, candidate))) === 'nothing') return candidate;
  }
}

/** The names that `freeName` returns. A copy that a user named checkpoint-best is not ours to delete. */
const SAVED_NAME = /^checkpoint-\d+(-\d+)?$/;

/**
 * Deletes the oldest checkpoints, and what interrupted saves left. Nobody writes it: the directory is locked.
 */
async function prune(root: string, latest: string, keep: number): Promise<void> {
  const names = await readdir(root);
  const found = await Promise.all(
    names
      .filter((name) => SAVED_NAME.test(name) && name !== latest)
      .map(async (name) => ({ name, entry: await stat(join(root, name)).catch(() => undefined) })),
  );
  const saved = found.flatMap(({ name, entry }) =>
    entry?.isDirectory() === true ? [{ name, time: entry.mtimeMs }] : [],
  );
  saved.sort((a, b) => b.time - a.time || (a.name < b.name ? 1 : -1));
  const leftovers = names.filter((name) => name.startsWith('.saving-'));
  for (const name of [...saved.slice(keep - 1).map((s) => s.name), ...leftovers])
    await rm(join(root, name), { recursive: true, force: true });
}

/** What a run that resumes must have in common with the one that saved. */
export interface Expected {
  readonly seed: number;
  /** `lastBatch`, `shards` or `syncBatchNorm` undefined accepts any. */
  readonly batches: Omit<Position['batches'], 'lastBatch' | 'shards' | 'syncBatchNorm'> & {
    readonly lastBatch: LastBatch | undefined;
    readonly shards: number | undefined;
    readonly syncBatchNorm: boolean | undefined;
  };
}

/**
 * Loads a checkpoint into a model and an optimizer: `directory` itself, or the latest in it. Another run may
 * save there meanwhile. Everything is checked before anything is changed.
 * @throws DataError if there is none, FormatError if it is damaged, OptionError if it belongs to another run
 */
export async function readCheckpoint(
  directory: string,
  trained: Trained,
  expected: Expected,
): Promise<Resumed> {
  for (let place = await locate(directory); ;) {
    try {
      return await readFrom(place, trained, expected);
    } catch (error) {
      // A run that saves here may have deleted it meanwhile. Then there is a newer one.
      const now = await locate(directory);
      if (now === place) throw error;
      place = now;
    }
  }
}

async function readFrom(place: string, trained: Trained, expected: Expected): Promise<Resumed> {
  const state = await readState(place);
  const position = parsePosition(join(place, STATE_FILE), state.position);
  checkSameRun(place, state, position, trained, expected);
  await checkDigest(place, MODEL_FILE, state.sha256.model);
  await checkDigest(place, OPTIMIZER_FILE, state.sha256.optimizer);
  const { average: averageDigest, callbacks: callbacksDigest } = state.sha256;
  if (averageDigest !== undefined) await checkDigest(place, AVERAGE_FILE, averageDigest);
  if (callbacksDigest !== undefined) await checkDigest(place, CALLBACKS_FILE, callbacksDigest);
  const { model, optimizer, average, callbacks } = trained;
  const { step, born = {} } = state.optimizer;
  const saved = {
    step,
    tensors: await readTensors(join(place, OPTIMIZER_FILE)),
    born: new Map(Object.entries(born)),
  };
  const averaged = state.average && {
    ...state.average,
    tensors: await readTensors(join(place, AVERAGE_FILE)),
  };
  optimizer.checkState(saved);
  if (averaged !== undefined) average?.checkState(averaged, model);
  const { frozen } = state;
  if (frozen !== undefined) checkFrozenNames(join(place, STATE_FILE), model.tree(), frozen);
  const states = {
    data: state.callbacks ?? {},
    tensors: callbacksDigest === undefined ? new Map() : await readTensors(join(place, CALLBACKS_FILE)),
  };
  const warnings = await restoreStates(place, callbacks, states, { model, average });
  await model.load(join(place, MODEL_FILE), { maxHeaderBytes: MAX_HEADER_BYTES });
  if (frozen !== undefined) restoreFrozen(model.tree(), frozen);
  await optimizer.loadState(saved);
  if (averaged !== undefined) await average?.loadState(averaged, model);
  return { position, warnings: [...differences(place, state), ...warnings] };
}

async function locate(directory: string): Promise<string> {
  if ((await pathKind(directory)) !== 'directory')
    throw new DataError(`resume: directory ${clip(directory)} does not exist`);
  if ((await pathKind(join(directory, STATE_FILE))) === 'file') return directory;
  const pointer = join(directory, LATEST_FILE);
  if ((await pathKind(pointer)) !== 'file')
    throw new DataError(`resume: ${clip(directory)} holds no checkpoint`);
  const text = await readText(pointer);
  const name = text.trim();
  // Anyone may have written the file, so it may only name a checkpoint beside it.
  if (basename(name) !== name || !name.startsWith('checkpoint-'))
    throw new FormatError(`${clip(pointer)}: names no checkpoint: ${show(name)}`);
  if ((await pathKind(join(directory, name, STATE_FILE))) !== 'file')
    throw await damaged(join(directory, name), 'it is not there or has no state.json');
  return join(directory, name);
}

/** The earlier checkpoints are whole. The message names them. */
async function damaged(place: string, problem: string, cause?: unknown): Promise<FormatError> {
  const names: string[] = await readdir(dirname(place)).catch(() => []);
  const others = names.filter((other) => other.startsWith('checkpoint-') && other !== basename(place));
  const hint = others.length > 0 ? `; there are also ${clipList(others.sort())}` : '';
  return new FormatError(`${clip(place)}: ${problem}${hint}`, { cause });
}

async function readState(place: string): Promise<StateFile> {
  const file = join(place, STATE_FILE);
  const text = await readText(file);
  let state: unknown;
  let sealed: boolean;
  try {
    sealed = checkSeal(STATE_FILE, text);
    state = JSON.parse(text);
  } catch (error) {
    throw await damaged(place, `truncated or corrupt: ${problemOf(error)}`, error);
  }
  const form: unknown =
    typeof state === 'object' && state !== null && 'form' in state ? state.form : undefined;
  if (form !== (sealed ? FORM : FORM_WITHOUT_CHECKSUM))
    throw await damaged(place, `state.json is of form ${show(form)}, expected ${FORM}`);
  try {
    return parseState(STATE_FILE, state);
  } catch (error) {
    throw await damaged(place, 'entries of state.json are missing', error);
  }
}

async function checkDigest(place: string, name: string, expected: string): Promise<void> {
  const file = join(place, name);
  if ((await fileDigest(file)) !== expected)
    throw await damaged(
      place,
      `${name} is truncated or corrupt: its SHA-256 is not the one that was saved with it`,
    );
}

function checkSameRun(
  place: string,
  state: StateFile,
  position: Position,
  { optimizer, precision, average }: Trained,
  expected: Expected,
): void {
  const where = `resume: ${clip(place)}`;
  if (state.optimizer.kind !== optimizer.kind)
    throw new OptionError(
      `${where} was trained with ${clip(state.optimizer.kind)}, the trainer has ${optimizer.kind}`,
    );
  const kind = average?.kind ?? 'no';
  if ((state.average?.kind ?? 'no') !== kind)
    throw new OptionError(
      `${where} was trained with ${clip(state.average?.kind ?? 'no')} average of weights, the trainer has ${kind}`,
    );
  const before = state.precision ?? 'fp32';
  if (before !== precision)
    throw new OptionError(
      `${where} was trained with precision ${clip(before)}, the trainer has ${precision}`,
    );
  if (position.seed !== expected.seed)
    throw new OptionError(
      `${where} was trained with seed ${position.seed}, the trainer has ${expected.seed}`,
    );
  for (const key of ['shards', 'syncBatchNorm'] as const) {
    const [saved, given] = [position.batches[key], expected.batches[key]];
    if (given !== undefined && given !== saved)
      throw new OptionError(`${where} was trained with ${key} ${saved}, the trainer has ${given}`);
  }
  // At the end of an epoch, nothing depends on how the epoch was cut into batches.
  if (position.position === 0) return;
  const [saved, given] = [position.batches.selection, expected.batches.selection];
  if (position.batches.samples === expected.batches.samples && saved !== null && saved !== given)
    throw new OptionError(
      `${where} is in the middle of an epoch over other samples than this run's, or other labels: pass the same selection to fit`,
    );
  for (const key of ['batchSize', 'samples', 'accumulate', 'lastBatch'] as const) {
    if (key === 'lastBatch' && expected.batches[key] === undefined) continue;
    if (position.batches[key] !== expected.batches[key]) {
      throw new OptionError(
        `${where} is in the middle of an epoch with ${key} ${position.batches[key]}, this run has ${expected.batches[key]}`,
      );
    }
  }
}

function differences(place: string, state: StateFile): string[] {
  const { version, isa, bf16 } = info();
  const warnings: string[] = [];
  if (state.form === FORM_WITHOUT_CHECKSUM)
    warnings.push(
      `${clip(place)} was saved by an earlier version, without a checksum of state.json: an edit of that file would go unnoticed`,
    );
  if (state.isa !== isa)
    warnings.push(
      `${clip(place)} was trained with ${clip(state.isa)} kernels, this process uses ${isa}: results will differ in their last bits`,
    );
  if (state.bf16Path !== undefined && state.bf16Path !== bf16.path)
    warnings.push(
      `${clip(place)} was trained with ${clip(state.bf16Path)} products, this process uses ${bf16.path}: results will differ in their last bits`,
    );
  if (state.version !== version)
    warnings.push(
      `${clip(place)} was saved by tenon ${clip(state.version)}, this is ${version}: results may differ in their last bits`,
    );
  return warnings;
}
