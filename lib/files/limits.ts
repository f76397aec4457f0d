/**
 * How much memory a file of data may take once it is read, so that a small file cannot fill the memory. The
 * limits mean the same for every form of file, no data set that we know exceeds them, and each has an option
 * of its name. docs/files.md lists them.
 */
import { DataError } from '../errors';
import { clip, positive, positiveInteger } from '../options';

/** Options of what reads archives and IDX files. */
export interface UnpackLimits {
  /** Most bytes that a file may hold once it is ungzipped, all of it counted. Default 4 GiB. */
  readonly maxBytes?: number;
  /**
   * Most bytes that each byte of a compressed file (gzip, an image) may become; every file may become 64 MiB.
   * Default 100: MNIST's files become 6 times larger, photographs 10 to 20 times.
   */
  readonly maxExpansion?: number;
}

/** Options of what reads images. */
export interface ImageLimits extends Pick<UnpackLimits, 'maxExpansion'> {
  /** Most pixels that an image may have before it is resized. Default 2^28, 16384 x 16384. */
  readonly maxPixels?: number;
}

/** All of them, as options. */
export interface ReadLimits extends UnpackLimits, ImageLimits {}

/** Names of the options of archives and IDX files. */
export const UNPACK_LIMITS = ['maxBytes', 'maxExpansion'] as const;
/** Names of those of images. */
export const IMAGE_LIMITS = ['maxExpansion', 'maxPixels'] as const;
/** Names of all of them. */
export const READ_LIMITS = [...UNPACK_LIMITS, 'maxPixels'] as const;

/** The limits, each with a value. */
export type Limits = Required<ReadLimits>;

/**
 * What every file may become, however small it is: files of a few hundred bytes may well have
 * shrunk a thousandfold.
 */
export const FREE_BYTES = 64 * 2 ** 20;

/** Limits where nothing is said. */
export const DEFAULT_LIMITS: Limits = { maxBytes: 4 * 2 ** 30, maxExpansion: 100, maxPixels: 2 ** 28 };

/** Checks limits and fills in defaults. @throws OptionError */
export function readLimits(where: string, options: ReadLimits): Limits {
  const {
    maxBytes = DEFAULT_LIMITS.maxBytes,
    maxExpansion = DEFAULT_LIMITS.maxExpansion,
    maxPixels = DEFAULT_LIMITS.maxPixels,
  } = options;
  return {
    maxBytes: positiveInteger(where, 'maxBytes', maxBytes),
    maxExpansion: positive(where, 'maxExpansion', maxExpansion),
    maxPixels: positiveInteger(where, 'maxPixels', maxPixels),
  };
}

/**
 * The problem with a file that becomes `bytes`, for a message; undefined if the limits allow it.
 * @param packedBytes the size of the file, if it is compressed
 */
export function sizeProblem(
  { maxBytes, maxExpansion }: Pick<Limits, 'maxBytes' | 'maxExpansion'>,
  packedBytes: number | undefined,
  bytes: number,
): string | undefined {
  const expanded = packedBytes === undefined ? Infinity : Math.max(FREE_BYTES, packedBytes * maxExpansion);
  if (bytes <= Math.min(maxBytes, expanded)) return undefined;
  return expanded < maxBytes
    ? `unpacks to more than ${Math.floor(expanded)} bytes, the most that ${packedBytes} may become (option maxExpansion)`
    : `unpacks to more than ${maxBytes} bytes (option maxBytes)`;
}

/** Memory for what a file says it holds. @throws DataError where there is none */
export function memoryFor(file: string, bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    throw new DataError(`${clip(file)}: no memory for ${bytes} bytes of it`, { cause: error });
  }
}
