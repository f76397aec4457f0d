/** Waiting for something, and working, while an AbortSignal may fire. */

/** Runs `work`; `onAbort` is called as soon as the signal fires while it goes on. */
export async function whileNotAborted<T>(
  signal: AbortSignal | undefined,
  onAbort: () => void,
  work: () => Promise<T>,
): Promise<T> {
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await work();
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * The result of `work`, or undefined as soon as the signal fires. A later failure of `work` is ignored; what
 * it returns goes to `discard`.
 */
export async function abortable<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  discard?: (result: T) => Promise<void>,
): Promise<T | undefined> {
  if (signal === undefined) return work;
  let listener: (() => void) | undefined;
  const fired = new Promise<undefined>((resolve) => {
    listener = () => resolve(undefined);
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', listener, { once: true });
  });
  work.catch(() => undefined);
  try {
    const result = await Promise.race([work, fired]);
    if (signal.aborted) work.then(discard).catch(() => undefined);
    return signal.aborted ? undefined : result;
  } finally {
    if (listener !== undefined) signal.removeEventListener('abort', listener);
  }
}
