// @ts-check
/** The service: its routes, and what holds for all of them. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify from 'fastify';
import { answerFailure, Failure } from './failures.mjs';
import { InFlight } from './in-flight.mjs';
import { makeMetrics, watch } from './metrics.mjs';
import { Models } from './models.mjs';

/** @typedef {import('fastify').FastifyInstance} App */
/** @typedef {import('./config.mjs').Config} Config */
/** @typedef {import('./in-flight.mjs').Place} Place */
/**
 * @typedef {{ app: App, config: Config, models: Models, metrics: import('./metrics.mjs').Metrics, inFlight:
 *   InFlight, isStopping: () => boolean }} Parts
 */

const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/webp', 'application/octet-stream'];

/** @param {Config} config */
function makeApp(config) {
  const app = Fastify({
    logger: { level: config.LOG_LEVEL },
    bodyLimit: config.MAX_BODY_BYTES,
    requestTimeout: config.UPLOAD_TIMEOUT_MS,
    http: {
      // Node keeps to requestTimeout only where headersTimeout, by default a minute, is not longer.
      requestTimeout: config.UPLOAD_TIMEOUT_MS,
      headersTimeout: config.UPLOAD_TIMEOUT_MS,
      connectionsCheckingInterval: 1000,
    },
    // A request that was sent before the connection was closed is answered, too.
    return503OnClosing: false,
    ajv: { customOptions: { removeAdditional: false } },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(IMAGE_TYPES, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler(answerFailure);
  app.setNotFoundHandler(async ({ method, url }) => {
    throw new Failure(404, 'NOT_FOUND', `there is no ${method} ${url.slice(0, 100)}`);
  });
  return app;
}

/**
 * @param {Config} config
 * @returns the Fastify instance, which does not listen yet; the models, of which none is loaded yet; and
 *   `stop`, which answers what has come and closes
 */
export function makeService(config) {
  const app = makeApp(config);
  const metrics = makeMetrics();
  const models = new Models(config.MODEL_FILE, {
    maxBatch: config.MAX_BATCH,
    maxPixels: config.MAX_PIXELS,
    onBatch: (images) => metrics.batchImages.observe(images),
    onReload: (result) => metrics.reloads.inc({ result }),
  });
  const inFlight = new InFlight(config.MAX_IN_FLIGHT);
  watch(metrics, inFlight, models);
  let stopping = false;
  const parts = { app, config, models, metrics, inFlight, isStopping: () => stopping };
  addHooks(parts);
  addPrediction(parts);
  addHealth(parts);
  if (config.ADMIN_TOKEN !== '') addReload(parts);
  const stop = async () => {
    stopping = true;
    await sleep(config.DRAIN_MS);
    await app.close();
  };
  return { app, models, stop };
}

/** @param {Parts} parts */
function addHooks({ app, metrics, isStopping }) {
  app.addHook('onSend', async (_request, reply) => {
    // Clients connect anew, elsewhere; and connections that stay open would hold the end up.
    if (isStopping()) reply.header('connection', 'close');
  });
  app.addHook('onResponse', async ({ method, routeOptions }, reply) => {
    const labels = { method, route: routeOptions.url ?? 'none', status_code: reply.statusCode };
    metrics.requestSeconds.observe(labels, reply.elapsedTime / 1000);
  });
}

const predictionSchema = {
  querystring: {
    type: 'object',
    properties: { top: { type: 'integer', minimum: 1, maximum: 1000, default: 5 } },
    additionalProperties: false,
  },
  response: {
    200: {
      type: 'object',
      properties: {
        model: { type: 'string' },
        predictions: {
          type: 'array',
          items: {
            type: 'object',
            properties: { class: { type: 'string' }, probability: { type: 'number' } },
          },
        },
      },
    },
  },
};

/** @param {Parts} parts */
function addPrediction({ app, config, models, metrics, inFlight }) {
  app.decorateRequest('place', null);
  app.route({
    method: 'POST',
    url: '/predict',
    schema: predictionSchema,
    // Before the body is read: what is refused takes no memory.
    onRequest: async (request, reply) => {
      const place = inFlight.enter(reply.raw, () => metrics.clientsLeft.inc());
      request.setDecorator('place', place);
    },
    handler: async (request) => {
      const { top } = /** @type {{ top: number }} */ (request.query);
      const image = request.body;
      if (!(image instanceof Uint8Array)) throw new Failure(400, 'NO_IMAGE', 'the body must be an image');
      const place = /** @type {Place} */ (request.getDecorator('place'));
      const work = (/** @type {AbortSignal} */ signal) =>
        models.use(async (model) => {
          const probabilities = await model.predict(image, signal).catch((error) => {
            if (signal.aborted) metrics.dropped.inc();
            throw error;
          });
          const { version, classes } = model.facts;
          return { model: version, predictions: best(probabilities, classes, top) };
        });
      return place.hold(work, config.ANSWER_TIMEOUT_MS);
    },
  });
}

/**
 * @param {Float32Array} probabilities
 * @param {readonly string[]} classes
 * @param {number} count
 */
function best(probabilities, classes, count) {
  return Array.from(probabilities, (probability, i) => ({ class: classes[i], probability }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, count);
}

/** @param {Parts} parts */
function addHealth({ app, models, metrics, isStopping }) {
  const quiet = /** @type {const} */ ({ logLevel: 'warn' });
  app.get('/healthz', quiet, async () => ({ status: 'ok' }));
  app.get('/readyz', quiet, async (_request, reply) => {
    const status = isStopping() ? 'stopping' : models.current === undefined ? 'loading' : 'ok';
    return reply.code(status === 'ok' ? 200 : 503).send({ status });
  });
  app.get('/metrics', quiet, async (_request, reply) =>
    reply.type(metrics.register.contentType).send(await metrics.register.metrics()),
  );
  app.get('/model', async () => models.use(async (model) => model.facts));
}

/** @param {Parts} parts */
function addReload({ app, config, models }) {
  const digest = (/** @type {string} */ text) => createHash('sha256').update(text).digest();
  const expected = digest(`Bearer ${config.ADMIN_TOKEN}`);
  app.route({
    method: 'POST',
    url: '/model/reload',
    onRequest: async (request) => {
      const given = digest(request.headers.authorization ?? '');
      if (!timingSafeEqual(given, expected))
        throw new Failure(401, 'UNAUTHORIZED', 'the authorization header must be "Bearer" and ADMIN_TOKEN');
    },
    handler: async () => {
      const { changed, model } = await models.reload();
      return { changed, ...model.facts };
    },
  });
}
