/** Answers POSTed images with the classes of a model. SIGTERM ends it once the answers under way are sent. */
import { createServer } from 'node:http';
import { data, info, load } from 'tenon';

/** The image sets them. */
const { HOST = '127.0.0.1', PORT = 8080, MODEL_FILE = 'model.safetensors' } = process.env;
const SHOWN = 5;
const MOST_BYTES = 10 * 2 ** 20;
const MOST_PIXELS = 25e6; // 75 MB once they are decoded

const model = await load(MODEL_FILE);

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function bodyOf(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Refusal(413, `images may have ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function classify(request) {
  const pixels = await data.decode(await bodyOf(request), model, { maxPixels: MOST_PIXELS });
  const probabilities = await model.predict(pixels);
  const all = Array.from(probabilities, (probability, i) => ({
    class: model.classNames?.[i] ?? i,
    probability,
  }));
  return { predictions: all.sort((a, b) => b.probability - a.probability).slice(0, SHOWN) };
}

/** Alive, and with how much of the machine. */
function health() {
  const { threads, threadsReason, memory } = info();
  return { status: 'ok', threads, threadsReason, memoryLimit: memory.limit };
}

async function answer(request) {
  if (request.method === 'GET' && request.url === '/healthz') return health();
  if (request.method === 'POST' && request.url === '/predict') return classify(request);
  throw new Refusal(404, 'there are GET /healthz and POST /predict');
}

/** What the client did wrong is its business; what went wrong here is not. */
function failed(error) {
  if (error instanceof Refusal) return [error.status, error.message];
  if (error.code === 'ERR_TENON_FORMAT') return [400, error.message];
  console.error(error);
  return [500, 'internal error'];
}

const server = createServer((request, response) => {
  const send = (status, body) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
  answer(request).then(
    (body) => send(200, body),
    (error) => {
      const [status, message] = failed(error);
      if (status === 413) response.setHeader('connection', 'close');
      send(status, { error: message });
    },
  );
});

server.listen(PORT, HOST, () => console.log(`serving ${MODEL_FILE} on port ${server.address().port}`));

for (const signal of ['SIGTERM', 'SIGINT'])
  process.once(signal, () => {
    console.log(`${signal}: finishing what is under way`);
    server.close();
  });
