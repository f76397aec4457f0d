/**
 * `serving.mjs MODEL BATCH SECONDS SHARES CALLERS`: trains, with one step queued ahead, while callers in a
 * worker thread predict one image each, again and again. Prints a line of JSON for each pair of a share and a
 * number of callers (lists with commas): what both sides got done, how long predictions took, and how long
 * the last step took to end once it was cancelled. Share 0: predictions without training.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { models, setPredictionShare } from 'tenon';
import { training } from './training.mjs';

const WARM_UP_MS = 300;
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Milliseconds that each prediction took, of callers that ask again as soon as they are answered, until the
 * main thread says stop.
 */
async function callers({ name, count }) {
  const model = models[name]({ seed: 2 });
  const image = new Float32Array(3 * 32 * 32).fill(0.25);
  const options = { shape: [3, 32, 32] };
  await model.predict(image, options);
  let measured = [];
  let stopped = false;
  const call = async () => {
    while (!stopped) {
      const begin = performance.now();
      await model.predict(image, options);
      measured.push(performance.now() - begin);
    }
  };
  parentPort.on('message', (message) => {
    if (message === 'measure') measured = [];
    else stopped = true;
  });
  const calls = Array.from({ length: count }, call);
  parentPort.postMessage('ready');
  await Promise.all(calls);
  parentPort.postMessage(measured);
  parentPort.close();
}

/** Trains until `stop` is called, which resolves with the steps done since `measure` was. */
function trainAlways(train) {
  let steps = 0;
  let stopped = false;
  const loop = async () => {
    let ahead = train();
    while (!stopped) {
      const step = ahead;
      ahead = train();
      await step;
      steps++;
    }
    await ahead;
  };
  const running = loop();
  return {
    measure: () => void (steps = 0),
    stop: async () => {
      stopped = true;
      const done = steps;
      const begin = performance.now();
      await running;
      return { done, endMs: performance.now() - begin };
    },
  };
}

function startCallers(name, count) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { name, count } });
  const next = () => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  return {
    ready: next,
    measure: () => worker.postMessage('measure'),
    stop: () => {
      const latencies = next();
      worker.postMessage('stop');
      return latencies;
    },
  };
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? null;

async function measure({ name, train, seconds, share, count }) {
  if (share > 0) setPredictionShare(share);
  const calling = count > 0 ? startCallers(name, count) : undefined;
  await calling?.ready();
  const trainer = share > 0 ? trainAlways(train) : undefined;
  await sleep(WARM_UP_MS);
  const begin = performance.now();
  calling?.measure();
  trainer?.measure();
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - begin) / 1000;
  const trained = await trainer?.stop();
  const latencies = Float64Array.from((await calling?.stop()) ?? []).sort();
  return {
    share,
    callers: count,
    stepsPerSecond: trained === undefined ? null : trained.done / elapsed,
    predictionsPerSecond: latencies.length / elapsed,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    twoStepsMs: trained?.endMs ?? null,
  };
}

async function main([name, batch, seconds, shares, counts]) {
  const { train } = training(name, Number(batch));
  for (let i = 0; i < 3; i++) await train();
  for (const share of shares.split(',').map(Number)) {
    for (const count of counts.split(',').map(Number)) {
      if (share === 0 && count === 0) continue;
      console.log(JSON.stringify(await measure({ name, train, seconds: Number(seconds), share, count })));
    }
  }
  process.exit(0);
}

if (isMainThread) await main(process.argv.slice(2));
else await callers(workerData);
