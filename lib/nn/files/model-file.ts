/**
 * Models as safetensors files: state by PyTorch's names; architecture, preprocessing and class names
 * in the metadata.
 */
import { checkPreprocessing, PREPROCESSING_KEYS, type Preprocessing } from '../../data/preprocessing';
import { types } from 'node:util';
import { readWhole } from '../../files/read';
import { FormatError, OptionError } from '../../errors';
import { toFloats } from '../../files/numbers';
import {
  decodeSafetensors,
  encodeSafetensors,
  repeatedKey,
  type SafetensorsEntry,
  type SafetensorsFile,
} from '../../files/safetensors';
import { copiesOf, writeTensorFile, type FiledTensor } from '../../files/tensor-file';
import type { AnyArray } from '../../native';
import { bool, checkKeys, clip, messageOf, nonEmptyString, positiveInteger, show } from '../../options';
import {
  isTransformRecord,
  isTransformTensor,
  recordOf,
  restoreTransform,
  TRANSFORM_KEY,
  transformTensors,
} from '../../preprocess/file';
import type { TransformRecord } from '../../preprocess/file';
import type { FittedTransform } from '../../preprocess/fitted';
import { storedDType } from '../../tensor/dtype';
import { withMemory } from '../../tensor/lazy';
import { Parameter, ParameterMask } from '../../tensor/parameter';
import type { Storage } from '../../tensor/storage';
import { architectureOf, type Architecture, type Built } from './architecture';
import { compareTensors, requireAll, requireSome, type LoadReport } from './load-report';
import { checkNameMap, renameTensors, type NameMap } from './renamed';
import { ensureMask, holdZeros } from '../mask';
import { maskName, type ModuleTree, type StateTensor } from '../tree';

/** Options of loading weights into a model. */
export interface LoadOptions {
  /**
   * False takes what fits by name and shape, at least one tensor, and leaves the rest of the model, including
   * its class names, as it is. Default true.
   */
  readonly strict?: boolean;
  /**
   * Is told what fits and what does not, once the file is checked and before the model takes anything. What
   * it throws ends the loading, and the model is as before.
   */
  readonly report?: (report: LoadReport) => void;
  /**
   * From the names of tensors in the file to those in the model, for files that name them otherwise: a
   * function, or a record of patterns. Default: the names are the same.
   */
  readonly names?: NameMap;
  /**
   * The bytes that the file's header may take, which holds names, shapes and the architecture. Reading
   * it blocks the event loop, for up to a second per megabyte. Default 1 MiB plus 1/1024 of the rest
   * of the file.
   */
  readonly maxHeaderBytes?: number;
}

/**
 * The version of the contents of `__metadata__`. Raised when a reader of the old form would misread
 * the new one.
 */
const formatVersion = '1';

/** What a model file holds besides tensors. */
export interface ModelMetadata {
  readonly architecture?: Architecture;
  readonly preprocessing?: Preprocessing;
  readonly classNames?: readonly string[];
  readonly inputTransform?: TransformRecord;
  /** Further names of tied tensors. */
  readonly aliases: ReadonlyMap<string, string>;
}

/** What a model file takes from a model, and puts into one. */
interface Filed extends Built {
  preprocessing: Preprocessing | undefined;
  inputTransform?: FittedTransform;
  classNames?: readonly string[];
  tree(): ModuleTree;
  /** As `tree`, but names everything below. */
  adopt(): ModuleTree;
  ensureInitialized(): unknown;
}

function metadataOf(model: Filed): Map<string, string> {
  const architecture = architectureOf(model);
  const { aliases } = model.tree();
  const metadata = new Map([
    ['format', 'tenon'],
    ['formatVersion', formatVersion],
  ]);
  if (architecture !== undefined) metadata.set('architecture', JSON.stringify(architecture));
  if (model.preprocessing !== undefined) metadata.set('preprocessing', JSON.stringify(model.preprocessing));
  if (model.inputTransform !== undefined)
    metadata.set(TRANSFORM_KEY, JSON.stringify(recordOf(model.inputTransform)));
  if (model.classNames !== undefined) metadata.set('classNames', JSON.stringify(model.classNames));
  if (aliases.size > 0) metadata.set('aliases', JSON.stringify([...aliases]));
  return metadata;
}

function tensorsOf(model: Filed): Map<string, FiledTensor> {
  const state = [...model.tree().tensors].map(([name, t]): [string, FiledTensor] => [name, t.storage]);
  const transform = model.inputTransform === undefined ? [] : transformTensors(model.inputTransform);
  return new Map([...state, ...transform]);
}

/** The bytes of a model file. */
export async function encodeModel(model: Filed): Promise<Uint8Array> {
  model.ensureInitialized();
  const metadata = metadataOf(model);
  return Buffer.concat(encodeSafetensors({ tensors: await copiesOf(tensorsOf(model)), metadata }));
}

/** @throws IoError, OptionError for what is not a path */
export async function writeModel(model: Filed, path: string): Promise<void> {
  nonEmptyString('save', 'path', path);
  model.ensureInitialized();
  await writeTensorFile(path, tensorsOf(model), metadataOf(model));
}

/** Reads and checks a safetensors file. @throws DataError (no such file), IoError, FormatError */
export async function readSafetensors(path: string, maxHeaderBytes?: number): Promise<SafetensorsFile> {
  return { ...decodeSafetensors(path, await readWhole(path), maxHeaderBytes), owned: true };
}

/** Where a model is: the path of its file, or the file's bytes. */
export type ModelSource = string | Uint8Array | ArrayBuffer;

/** A model file that was read, under its name for messages. */
interface OpenedModel {
  readonly where: string;
  readonly file: SafetensorsFile;
}

/**
 * Reads and checks a model file. Returns no promise for bytes, so that the caller can take over its numbers
 * before anyone changes them.
 * @throws as readSafetensors; OptionError for what is neither a path nor bytes
 */
export function openModel(
  source: ModelSource,
  { maxHeaderBytes: most }: LoadOptions,
): OpenedModel | Promise<OpenedModel> {
  if (most !== undefined) positiveInteger('load', 'maxHeaderBytes', most);
  if (typeof source === 'string') {
    nonEmptyString('load', 'path', source);
    return readSafetensors(source, most).then((file) => ({ where: source, file }));
  }
  return { where: 'load', file: decodeSafetensors('load', bytesOf(source), most) };
}

function bytesOf(source: unknown): Uint8Array {
  // Not instanceof, which does not know the arrays of another realm.
  if (types.isUint8Array(source)) return source;
  if (types.isAnyArrayBuffer(source)) return new Uint8Array(source);
  throw new OptionError(
    `load: expected a file's path or its bytes (a Uint8Array or an ArrayBuffer), got ${show(source)}`,
  );
}

/** Whether tenon wrote the file. If so, the model did not have what the file does not mention. */
function isOurs(metadata: ReadonlyMap<string, string>): boolean {
  return metadata.get('format') === 'tenon';
}

/** @throws FormatError for metadata that is not what tenon writes */
export function readMetadata(where: string, metadata: ReadonlyMap<string, string>): ModelMetadata {
  const version = metadata.get('formatVersion');
  const ours = isOurs(metadata);
  if (ours && version !== formatVersion) {
    throw new FormatError(
      `${clip(where)}: written in form ${show(version)}; this version of tenon reads form ${show(formatVersion)}`,
    );
  }
  const parse = <T>(key: string, check: (value: unknown) => value is T): T | undefined => {
    const text = ours ? metadata.get(key) : undefined;
    return text === undefined ? undefined : parseField(where, key, text, check);
  };
  const architecture = parse('architecture', isArchitecture);
  const settings = parse('preprocessing', isRecord);
  const preprocessing = settings && parsePreprocessing(where, settings);
  const classNames = parse('classNames', isStrings);
  const inputTransform = parse(TRANSFORM_KEY, isTransformRecord);
  return {
    ...(architecture && { architecture }),
    ...(preprocessing && { preprocessing }),
    ...(classNames && { classNames }),
    ...(inputTransform && { inputTransform }),
    aliases: aliasesOf(where, parse('aliases', isPairs) ?? []),
  };
}

function aliasesOf(where: string, pairs: readonly [string, string][]): Map<string, string> {
  const aliases = new Map(pairs);
  if (aliases.size < pairs.length)
    throw new FormatError(`${clip(where)}: metadata 'aliases' ties a tensor twice`);
  return aliases;
}

function parseField<T>(where: string, key: string, text: string, check: (value: unknown) => value is T): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${clip(where)}: metadata '${key}' is not JSON`, { cause });
  }
  const repeated = repeatedKey(text);
  if (repeated !== undefined)
    throw new FormatError(`${clip(where)}: metadata '${key}' names ${show(repeated)} twice`);
  if (!check(value))
    throw new FormatError(`${clip(where)}: metadata '${key}' is not what it should be: ${show(text)}`);
  return value;
}

export function isArchitecture(value: unknown): value is Architecture {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    typeof value.kind === 'string' &&
    'config' in value
  );
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function isPairs(value: unknown): value is [string, string][] {
  return Array.isArray(value) && value.every((item) => isStrings(item) && item.length === 2);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The settings in a file that this version knows, checked as those that a program sets.
 * @throws FormatError
 */
function parsePreprocessing(where: string, settings: Readonly<Record<string, unknown>>): Preprocessing {
  const known = PREPROCESSING_KEYS.filter((key) => key in settings).map((key) => [key, settings[key]]);
  try {
    return checkPreprocessing(`${where}: metadata 'preprocessing'`, Object.fromEntries(known));
  } catch (cause) {
    throw new FormatError(messageOf(cause), { cause });
  }
}

/**
 * Takes the state in a file into a model.
 * @throws FormatError, ShapeError, DataError, IoError, OptionError
 */
export async function loadInto(model: Filed, source: ModelSource, options: LoadOptions): Promise<void> {
  checkKeys('load', options, ['strict', 'report', 'names', 'maxHeaderBytes']);
  const strict = bool('load', 'strict', options.strict ?? true);
  const { report } = options;
  if (report !== undefined && typeof report !== 'function')
    throw new OptionError(`load: report must be a function, got ${show(report)}`);
  const toModel = options.names && checkNameMap('load', options.names);
  const opening = openModel(source, options);
  const { where, file } = opening instanceof Promise ? await opening : opening;
  const metadata = readMetadata(where, file.metadata);
  const transform = transformOf(where, file, metadata);
  const state = toModel ? renameTensors(where, file, toModel, (name) => isTransform(file, name)) : file;
  const { classNames } = metadata;
  const told = report && ((fit: LoadReport) => report({ ...fit, ...(classNames && { classNames }) }));
  await takeState(model, where, state, { strict, ...(told && { report: told }) });
  takeMetadata(model, metadata, transform, strict);
  // The weights were trained without a transform, so the model's own would change what they see.
  if (strict && isOurs(file.metadata) && transform === undefined) delete model.inputTransform;
}

/** The transform in a file. @throws FormatError */
export function transformOf(
  where: string,
  { tensors }: SafetensorsFile,
  { inputTransform: record }: ModelMetadata,
): FittedTransform | undefined {
  return record && restoreTransform(where, record, tensors);
}

/** Everything but weights that a file has for a model. */
export function takeMetadata(
  model: Filed,
  { preprocessing, classNames }: ModelMetadata,
  transform: FittedTransform | undefined,
  strict = true,
): void {
  if (preprocessing !== undefined) model.preprocessing = preprocessing;
  // Names belong to the outputs, of which the model may have others than the file.
  if (strict && classNames !== undefined) model.classNames = classNames;
  if (transform !== undefined) model.inputTransform = transform;
}

/** Checks everything first and only then writes: a file that does not fit changes nothing. */
export async function takeState(
  model: Filed,
  where: string,
  file: SafetensorsFile,
  { strict = true, report }: Pick<LoadOptions, 'strict' | 'report'> = {},
): Promise<void> {
  const { tensors } = model.adopt();
  const pruned = newlyPruned(tensors, file);
  const newMasks = [...pruned].map(([name, [, parameter]]) => [name, parameter] as const);
  const fit = compareTensors(new Map([...tensors, ...newMasks]), stateOf(file));
  if (strict) requireAll(where, fit);
  else requireSome(where, fit);
  const { owned = false } = file;
  const values = new Map(
    fit.loaded.map((name) => [name, toFloats(name, file.tensors.get(name)!, { owned })]),
  );
  for (const [name, numbers] of values)
    if (pruned.has(name) || tensors.get(name) instanceof ParameterMask) checkMask(where, name, numbers);
  report?.(fit);
  const known = [...tensors].filter(([name]) => values.has(name));
  withMemory(
    known.map(([, tensor]) => tensor),
    () => model.ensureInitialized(),
  );
  const writes = known.map(([name, tensor]): [StateTensor, AnyArray] => [tensor, values.get(name)!]);
  for (const [mask, [name, parameter]] of pruned)
    if (values.has(mask)) writes.push([ensureMask(where, model, name, parameter), values.get(mask)!]);
  await Promise.all(writes.map(([{ storage }, numbers]) => storage.write(stored(numbers, storage))));
  await holdZeros(model);
}

/** Parameters that are pruned in the file and not yet in the model, by the names of their masks. */
function newlyPruned(
  tensors: ReadonlyMap<string, StateTensor>,
  file: SafetensorsFile,
): Map<string, [string, Parameter]> {
  const found = new Map<string, [string, Parameter]>();
  for (const [name, tensor] of tensors) {
    const mask = maskName(name);
    if (tensor instanceof Parameter && file.tensors.has(mask) && !tensors.has(mask))
      found.set(mask, [name, tensor]);
  }
  return found;
}

function checkMask(where: string, name: string, values: Float32Array): void {
  const wrong = values.findIndex((v) => v !== 0 && v !== 1);
  if (wrong >= 0)
    throw new FormatError(
      `${clip(where)}: '${clip(name)}' is a mask, of zeros and ones, and has a ${values[wrong]}`,
    );
}

/** Without the tensors of the file's transform, which are not part of the model's own state. */
function stateOf(file: SafetensorsFile): Map<string, SafetensorsEntry> {
  return new Map([...file.tensors].filter(([name]) => !isTransform(file, name)));
}

function isTransform({ metadata }: SafetensorsFile, name: string): boolean {
  return metadata.has(TRANSFORM_KEY) && isTransformTensor(name);
}

/** On the reference target, f32 values are kept as f64. */
function stored(values: AnyArray, storage: Storage): AnyArray {
  return storedDType(storage.dtype, storage.target) === 'f64' ? Float64Array.from(values) : values;
}
