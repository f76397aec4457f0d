/**
 * The file state.json of a checkpoint: what was saved, by which version and kernels, and the digests of
 * the other files.
 */
import { countIn, fieldsOf, numberIn, textIn, textsIn } from '../files/json-fields';

/** Form 2 ends with a checksum of its own text. */
export const FORM = 2;
export const FORM_WITHOUT_CHECKSUM = 1;

/** What state.json says besides the position. */
export interface StateFile {
  readonly form: number;
  readonly version: string;
  readonly isa: string;
  /** Absent in checkpoints of versions that knew only fp32. */
  readonly precision?: string;
  /** How bf16 products were computed; only for a run in that precision. */
  readonly bf16Path?: string;
  readonly optimizer: {
    readonly kind: string;
    readonly step: number;
    /** Absent if all parameters were there from the first step on. */
    readonly born?: Readonly<Record<string, number>>;
  };
  /** Names of the tensors that are frozen. Absent in checkpoints of versions that did not save it. */
  readonly frozen?: readonly string[];
  /** Absent if weights are not averaged. */
  readonly average?: { readonly kind: string; readonly count: number; readonly statistics: number };
  /** States of callbacks by name; absent if none has one. */
  readonly callbacks?: Readonly<Record<string, unknown>>;
  readonly sha256: {
    readonly model: string;
    readonly optimizer: string;
    readonly average?: string;
    /** Absent if no callback keeps tensors. */
    readonly callbacks?: string;
  };
  readonly position: unknown;
}

/**
 * Reads state.json, which may hold anything, except for the position, which has its own parser.
 * @throws FormatError naming the entry
 */
export function parseState(file: string, value: unknown): StateFile {
  const state = fieldsOf(file, 'its object', value);
  const optimizer = fieldsOf(file, 'optimizer', state.optimizer);
  const sha256 = fieldsOf(file, 'sha256', state.sha256);
  const average = state.average === undefined ? undefined : fieldsOf(file, 'average', state.average);
  const born = optimizer.born === undefined ? undefined : fieldsOf(file, 'born', optimizer.born);
  return {
    form: numberIn(file, state, 'form'),
    version: textIn(file, state, 'version'),
    isa: textIn(file, state, 'isa'),
    ...(state.precision !== undefined && { precision: textIn(file, state, 'precision') }),
    ...(state.bf16Path !== undefined && { bf16Path: textIn(file, state, 'bf16Path') }),
    optimizer: {
      kind: textIn(file, optimizer, 'kind'),
      step: countIn(file, optimizer, 'step'),
      ...(born && {
        born: Object.fromEntries(Object.keys(born).map((name) => [name, countIn(file, born, name)])),
      }),
    },
    ...(state.frozen !== undefined && { frozen: textsIn(file, state, 'frozen') }),
    ...(average && {
      average: {
        kind: textIn(file, average, 'kind'),
        count: countIn(file, average, 'count'),
        statistics: countIn(file, average, 'statistics'),
      },
    }),
    ...(state.callbacks !== undefined && { callbacks: fieldsOf(file, 'callbacks', state.callbacks) }),
    sha256: {
      model: textIn(file, sha256, 'model'),
      optimizer: textIn(file, sha256, 'optimizer'),
      ...(average && { average: textIn(file, sha256, 'average') }),
      ...(sha256.callbacks !== undefined && { callbacks: textIn(file, sha256, 'callbacks') }),
    },
    position: state.position,
  };
}
