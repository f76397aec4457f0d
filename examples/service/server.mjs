// @ts-check
/** `node server.mjs`: the service as a process. Settings come from the environment. */
import closeWithGrace from 'close-with-grace';
import { makeService } from './app.mjs';
import { readConfig } from './config.mjs';

/** @returns {import('./config.mjs').Config} */
function configOrExit() {
  try {
    return readConfig(process.env);
  } catch (error) {
    console.error(/** @type {Error} */ (error).message);
    process.exit(2);
  }
}

const config = configOrExit();
const { app, models, stop } = makeService(config);

// SIGTERM, SIGINT and errors that nobody caught end the process; SIGHUP, which would too, loads the model.
const delay = config.DRAIN_MS + config.GRACE_MS;
closeWithGrace({ delay, logger: app.log, skip: ['SIGHUP'] }, async ({ signal, err }) => {
  if (err) app.log.fatal(err);
  else app.log.info(`${signal}: stopping`);
  await stop();
});

async function reload() {
  const { changed, model } = await models.reload();
  app.log.info({ ...model.facts, changed }, 'model loaded');
}

process.on('SIGHUP', () => reload().catch((error) => app.log.error(error, 'the model stays as it was')));
await app.listen({ host: config.HOST, port: config.PORT });
await reload();
