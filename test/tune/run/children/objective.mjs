/** Does what its parameter says. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Resolves once the trial is asked to end, which may be before anybody listens. */
const asked = ({ signal }) =>
  new Promise((done) => (signal.aborted ? done() : signal.addEventListener('abort', done)));

export default async function objective({ act }, trial) {
  // A string: jest's realm would not know an object of node's as plain.
  await trial.note('process', `${process.pid} ${process.env.TENON_NUM_THREADS}`);
  if (act === 'throw') throw new Error('out of luck');
  if (act === 'nan') {
    await trial.report(1, NaN);
    return NaN;
  }
  if (act === 'bad report') await trial.report(-1, 0);
  if (act === 'stubborn') {
    await asked(trial);
    await trial.note('asked', trial.signal.reason.message);
    await new Promise(() => setInterval(() => undefined, 1000));
  }
  if (act === 'wait') {
    await asked(trial);
    throw new Error('asked to end');
  }
  if (act === 'die once' && trial.continues === undefined) {
    writeFileSync(join(trial.folder, 'checkpoint'), 'half');
    process.kill(process.pid, 'SIGKILL');
  }
  if (act === 'die once') return existsSync(join(trial.continues, 'checkpoint')) ? 7 : NaN;
  if (act === 'meet') {
    // Ends once another trial is here at the same time.
    const folder = join(trial.folder, '..', 'met');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, String(trial.number)), '');
    while (!existsSync(join(folder, String(1 - trial.number))))
      await new Promise((done) => setTimeout(done, 5));
  }
  return 1;
}
