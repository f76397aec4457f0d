/**
 * Trains as soon as a line comes: prints `ready`, a line a checkpoint, and the digest of the weights, or the
 * code of what ended it.
 */
import { once } from 'node:events';
import { trainSaving } from '../saving.mjs';

const [directory, steps, every] = process.argv.slice(2);
const say = (fields) => process.stdout.write(`${JSON.stringify(fields)}\n`);

say({ ready: true });
await once(process.stdin, 'data');
process.stdin.destroy();
try {
  const onEvent = ({ type, step }) => {
    if (type === 'start') say({ begun: true });
    if (type === 'checkpoint') say({ saved: step });
  };
  say({ digest: await trainSaving({ directory, steps: Number(steps), every: Number(every), onEvent }) });
} catch (error) {
  say({ code: error.code ?? String(error) });
}
say({ operations: globalThis.operationsOfKillAt ?? [] });
