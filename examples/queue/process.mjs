/** Runs train.mjs in a process of its own, so that a crash or too little memory ends one training only. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('train.mjs', import.meta.url));
/** How long a training may take to save a checkpoint when it is told to stop, in milliseconds. */
const GRACE = 20_000;

/**
 * Trains `job`, `{ settings, folder }`, until it is done or `signal` aborts.
 * @returns `{ result }`, `{ stopped: true }` or `{ error: { code, message } }`; an error without a code is
 *   the death of the process
 */
export async function trainInProcess(job, { threads, signal, onLog, onProgress }) {
  const child = fork(PROGRAM, { env: { ...process.env, TENON_NUM_THREADS: String(threads) } });
  onLog(`process ${child.pid}`);
  const send = (message) => child.send(message, () => undefined); // it may be dead; then it exits
  let killer;
  const stop = () => {
    send({ stop: true });
    killer = setTimeout(() => child.kill('SIGKILL'), GRACE);
  };
  try {
    return await new Promise((resolve) => {
      let end;
      child.on('message', ({ log, progress, ...rest }) => {
        if (log !== undefined) onLog(log);
        else if (progress !== undefined) onProgress(progress);
        else end = rest;
      });
      child.once('error', (error) => resolve({ error: { message: error.message } }));
      child.once('exit', (code, name) => resolve(end ?? { error: { message: deathBy(code, name) } }));
      send(job);
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
    });
  } finally {
    clearTimeout(killer);
    signal.removeEventListener('abort', stop);
  }
}

function deathBy(code, signal) {
  if (signal === 'SIGKILL') return 'the training was killed (SIGKILL), perhaps for lack of memory';
  return `the training ended with ${signal ?? `code ${code}`}`;
}
