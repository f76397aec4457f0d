// @ts-check
/** What Prometheus is told: requests, predictions, the event loop and memory. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { info } from 'tenon';

/** Seconds: from small models on small images to large ones in a long queue. */
const LATENCIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** @typedef {ReturnType<typeof makeMetrics>} Metrics */

/** Metrics in a registry of their own. The default ones include the event loop's delay and V8's memory. */
export function makeMetrics() {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  new Gauge({
    name: 'tenon_memory_bytes',
    help: 'Native memory of models and programs, by what it is for',
    labelNames: ['kind'],
    registers,
    collect() {
      const { buffers, arenas, staging, derived } = info().memory;
      for (const [kind, bytes] of Object.entries({ buffers, arenas, staging, derived }))
        this.set({ kind }, bytes);
    },
  });
  return {
    register,
    requestSeconds: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'From the first byte of a request to the last of its answer',
      labelNames: ['method', 'route', 'status_code'],
      buckets: LATENCIES,
      registers,
    }),
    batchImages: new Histogram({
      name: 'prediction_batch_images',
      help: 'Images that one run of the model answers',
      buckets: [1, 2, 4, 8, 16],
      registers,
    }),
    clientsLeft: new Counter({
      name: 'prediction_clients_left_total',
      help: 'Clients that left before they were answered',
      registers,
    }),
    dropped: new Counter({
      name: 'prediction_dropped_total',
      help: 'Images that were dropped before their run: the client had left, or the time was up',
      registers,
    }),
    reloads: new Counter({
      name: 'model_reloads_total',
      help: 'Models that were loaded, or refused',
      labelNames: ['result'],
      registers,
    }),
  };
}

/**
 * @param {Metrics} metrics
 * @param {import('./in-flight.mjs').InFlight} inFlight
 * @param {import('./models.mjs').Models} models
 */
export function watch({ register }, inFlight, models) {
  const registers = [register];
  new Gauge({
    name: 'predictions_in_flight',
    help: 'Predictions that are being received or worked on',
    registers,
    collect() {
      this.set(inFlight.count);
    },
  });
  new Gauge({
    name: 'predictions_waiting',
    help: 'Decoded images that wait for their run',
    registers,
    collect() {
      this.set(models.current?.waiting ?? 0);
    },
  });
  new Gauge({
    name: 'model_loaded_timestamp_seconds',
    help: 'When the current model was loaded',
    labelNames: ['version'],
    registers,
    collect() {
      this.reset();
      const facts = models.current?.facts;
      if (facts !== undefined) this.set({ version: facts.version }, facts.loaded.getTime() / 1000);
    },
  });
}
