/** Limits of a log, so that one from elsewhere cannot fill the memory. */

/** Bytes of all operations together. */
export const LARGEST_LOG = 2 ** 28;
/** Bytes of one operation. */
export const LONGEST_OPERATION = 2 ** 22;
/** Operations of one read. */
export const PORTION = 10_000;
/** Bytes that are parsed before the event loop has its turn. */
export const CHUNK = 2 ** 18;
/** Longest name of a worker that is read. */
export const LONGEST_WORKER = 200;
