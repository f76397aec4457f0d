/**
 * The errors tenon throws. Each class carries a `code` that stays the same from version to version, so that
 * callers can tell errors apart with `error.code === 'ERR_TENON_SHAPE'`, also across realms and duplicated
 * installs, where `instanceof` fails.
 */

/** What every tenon error accepts besides its message. */
export interface TenonErrorOptions {
  /** The lower-level error this one explains. */
  readonly cause?: unknown;
}

/** Base of all errors tenon throws on purpose. */
export class TenonError extends Error {
  /** Stable identifier, for example `ERR_TENON_SHAPE`. */
  readonly code: string = 'ERR_TENON';

  constructor(message: string, options?: TenonErrorOptions) {
    // `{ cause: undefined }` would create an own property that printers show, so it is passed on
    // only when present.
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    // new.target.name and not a literal: subclasses, a user's included, get the right name for free.
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true, writable: true });
  }
}

/** A shape that does not fit: says which layer or op, what came and what was expected. */
export class ShapeError extends TenonError {
  override readonly code: string = 'ERR_TENON_SHAPE';
}

/** A value of the wrong element type. */
export class DTypeError extends TenonError {
  override readonly code: string = 'ERR_TENON_DTYPE';
}

/** A bad option: unknown key, value out of range, NaN. */
export class OptionError extends TenonError {
  override readonly code: string = 'ERR_TENON_OPTION';
}

/** A file that is not what it says: truncated, corrupt, or of an unknown form. */
export class FormatError extends TenonError {
  override readonly code: string = 'ERR_TENON_FORMAT';
}

/** Well-formed data that cannot be used: empty set, label out of range, missing directory. */
export class DataError extends TenonError {
  override readonly code: string = 'ERR_TENON_DATA';
}

/** A recipe was run after a buffer it reads had changed. */
export class StaleTensorError extends TenonError {
  override readonly code: string = 'ERR_TENON_STALE';
}

/** Loss, gradient or weights became NaN or infinite; the state kept is the last good one. */
export class NonFiniteError extends TenonError {
  override readonly code: string = 'ERR_TENON_NONFINITE';
}

/** Work ended early because its `AbortSignal` fired. */
export class AbortedError extends TenonError {
  override readonly code: string = 'ERR_TENON_ABORTED';
}

/** Something that runs one job at a time is already running one. */
export class BusyError extends TenonError {
  override readonly code: string = 'ERR_TENON_BUSY';
}

/** Something was done while recording a program that cannot be recorded. */
export class TraceError extends TenonError {
  override readonly code: string = 'ERR_TENON_TRACE';
}

/** A value was read before anything was written to it. */
export class UninitializedError extends TenonError {
  override readonly code: string = 'ERR_TENON_UNINITIALIZED';
}

/** Something was used after `dispose()`. */
export class DisposedError extends TenonError {
  override readonly code: string = 'ERR_TENON_DISPOSED';
}

/** The addon is missing, was refused by the system, or reported a fault of its own. */
export class NativeError extends TenonError {
  override readonly code: string = 'ERR_TENON_NATIVE';
}

/**
 * More memory was asked for than this process may have. The message says how many bytes, and how many there
 * are. A smaller batch needs less. Other models are not affected.
 */
export class OutOfMemoryError extends NativeError {
  override readonly code: string = 'ERR_TENON_MEMORY';
}

/**
 * Several processes cannot work together, or no longer: no MPI was found, a rank hangs or ended, or the ranks
 * disagree. After a failure between ranks every later call rejects with it, and all ranks end.
 */
export class DistributedError extends TenonError {
  override readonly code: string = 'ERR_TENON_DISTRIBUTED';
}

/** The system refused a read or a write: permission, disk full, and the like. */
export class IoError extends TenonError {
  override readonly code: string = 'ERR_TENON_IO';
}

/**
 * A rule of a study ends this trial early. An objective lets it pass, and the trial is recorded as pruned.
 */
export class TrialPruned extends TenonError {
  override readonly code: string = 'ERR_TENON_PRUNED';
}
