/** Adds training jobs, follows and cancels them. */
import { parseArgs } from 'node:util';
import { addJob, cancelJob, openQueue } from './queue.mjs';
import { SETTINGS } from './settings.mjs';

const USAGE = `node cli.mjs add [--dataset glyphs] [--model lenet] [--epochs 5] ...   prints the job's id
node cli.mjs status [ID]
node cli.mjs cancel ID`;

const COMMANDS = {
  async add(queue, _rest, given) {
    const valueOf = (text) => (text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text));
    const settings = Object.entries(given).map(([name, text]) => [name, valueOf(text)]);
    console.log((await addJob(queue, Object.fromEntries(settings))).id);
  },

  async status(queue, [id]) {
    if (id === undefined) return console.log(await queue.getJobCounts());
    const job = await find(queue, id);
    const { progress, failedReason, returnvalue, attemptsMade } = job;
    const { logs } = await queue.getJobLogs(id);
    const { settings } = job.data;
    const state = await job.getState();
    console.log(
      JSON.stringify(
        { id, state, settings, attemptsMade, progress, failedReason, returnvalue, logs },
        null,
        2,
      ),
    );
  },

  async cancel(queue, [id]) {
    console.log(`${id} ${await cancelJob(queue, await find(queue, id))}`);
  },
};

async function find(queue, id = '') {
  const job = await queue.getJob(id);
  if (job === undefined) throw new Error(`there is no job ${JSON.stringify(id)}`);
  return job;
}

const options = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, { type: 'string' }]));
let queue;
try {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [command = '', ...rest] = positionals;
  if (!Object.hasOwn(COMMANDS, command)) throw new Error(`usage:\n${USAGE}`);
  queue = openQueue();
  await COMMANDS[command](queue, rest, values);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await queue?.close().catch(() => undefined);
}
