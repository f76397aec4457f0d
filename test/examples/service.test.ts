/**
 * examples/service as its users run it: installed, trained, started as a process. Needs the built package,
 * which `npm test` makes first.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import * as nn from '../../lib/nn';
import { pngOfZeros } from '../data/png-bytes';
import { installExample } from '../support/example';

const TOKEN = 'a token of this test';
const SETTINGS = {
  PORT: '0',
  ADMIN_TOKEN: TOKEN,
  MAX_IN_FLIGHT: '4',
  MAX_BATCH: '2',
  MAX_BODY_BYTES: '100000',
  MAX_PIXELS: '1000000',
  // On a busy machine, nothing may end because it takes long.
  UPLOAD_TIMEOUT_MS: '120000',
  ANSWER_TIMEOUT_MS: '120000',
  GRACE_MS: '120000',
};

let folder: string;
let server: ChildProcess;
let port: number;
let glyph: Uint8Array<ArrayBuffer>;

const at = (name: string): string => join(folder, name);
const use = (name: string): void => copyFileSync(at(name), at('model.safetensors'));

/** Starts the service; it is ready when this resolves. */
async function start(settings: object = {}): Promise<void> {
  const env = { ...process.env, ...SETTINGS, ...settings };
  server = spawn(process.execPath, ['server.mjs'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: server.stdout! });
  await new Promise<void>((resolve, reject) => {
    server.once('exit', () => reject(new Error('the service ended')));
    lines.on('line', (line) => {
      const { msg } = JSON.parse(line) as { msg: string };
      port = Number(/listening at .*:(\d+)/.exec(msg)?.[1] ?? port);
      if (msg === 'model loaded') resolve();
    });
  });
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: {
    readonly code?: string;
    readonly model?: string;
    readonly version?: string;
    readonly changed?: boolean;
    readonly loaded?: string;
    readonly predictions?: readonly { readonly class: string; readonly probability: number }[];
  };
}

async function ask(path: string, init: RequestInit = {}): Promise<Answer> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
  const body = (await answer.json()) as Answer['body'];
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body };
}

function predict(
  image: Uint8Array<ArrayBuffer>,
  { path = '/predict', type = 'image/png', ...init } = {},
): Promise<Answer> {
  return ask(path, { ...init, method: 'POST', headers: { 'content-type': type }, body: image });
}

const reload = (token = TOKEN): Promise<Answer> =>
  ask('/model/reload', { method: 'POST', headers: { authorization: `Bearer ${token}` } });

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

/** A request whose body never ends. */
async function halfRequest(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    'POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: image/png\r\ncontent-length: 9000\r\n\r\nbegin',
  );
  return socket;
}

/** More than a billion multiplications per image: runs take long enough for others to wait. */
async function saveSlowModel(): Promise<void> {
  const convs = [1, 2, 3, 4].flatMap(() => [nn.conv2d(256, 256, { kernel: 3, padding: 1 }), nn.relu()]);
  const model = nn.sequential(
    ...[
      nn.conv2d(1, 256, { kernel: 3, padding: 1 }),
      nn.relu(),
      ...convs,
      nn.globalAvgPool2d(),
      nn.flatten(),
      nn.linear(256, 3),
    ],
  );
  model.preprocessing = { height: 28, width: 28, channels: 1, mean: [0], std: [1] };
  await model.save(at('slow.safetensors'));
}

const built = existsSync(join(__dirname, '..', '..', 'dist', 'index.mjs'));
const describeBuilt = built ? describe : describe.skip;
if (!built) console.warn('the service is not run: dist/ is missing (npm run build:ts)');

describeBuilt('examples/service', () => {
  beforeAll(async () => {
    folder = installExample('service');
    const { status, stdout } = spawnSync(process.execPath, ['train.mjs'], { cwd: folder, encoding: 'utf8' });
    expect(status).toBe(0);
    expect(Number(/names ([\d.]+)%/.exec(stdout)?.[1])).toBeGreaterThan(95);
    glyph = new Uint8Array(readFileSync(at('glyph-7.png')));
    copyFileSync(at('model.safetensors'), at('good.safetensors'));
    await saveSlowModel();
    await start();
  }, 120_000);

  afterAll(() => {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('names the image of the README, in other formats too', async () => {
    const { status, body } = await predict(glyph, { path: '/predict?top=2' });
    expect([status, body.predictions?.map(({ class: name }) => name)]).toEqual([
      200,
      ['7', expect.any(String)],
    ]);
    for (const form of ['jpeg', 'webp'] as const) {
      const image = new Uint8Array(await sharp(glyph).resize(84).toFormat(form).toBuffer());
      expect((await predict(image, { type: `image/${form}` })).body.predictions?.[0]?.class).toBe('7');
    }
    expect((await predict(glyph, { type: 'application/octet-stream' })).body.predictions).toHaveLength(5);
  });

  it('refuses what it cannot answer, by a code', async () => {
    const jpeg = new Uint8Array(await sharp(glyph).resize(200).jpeg().toBuffer());
    const bomb = new Uint8Array(pngOfZeros(2000, 2000, true));
    const of = async (pending: Promise<Answer>): Promise<unknown> => {
      const { status, body } = await pending;
      return `${status} ${body.code}`;
    };
    expect({
      none: await of(ask('/predict', { method: 'POST' })),
      text: await of(predict(new Uint8Array(1000))),
      truncated: await of(predict(jpeg.subarray(0, jpeg.length / 2), { type: 'image/jpeg' })),
      bomb: await of(predict(bomb)),
      large: await of(predict(new Uint8Array(100_001))),
      type: await of(predict(glyph, { type: 'image/gif' })),
      parameter: await of(predict(glyph, { path: '/predict?top=0' })),
      unknown: await of(predict(glyph, { path: '/predict?tip=1' })),
      route: await of(ask('/predictions')),
      token: await of(reload('another token')),
    }).toEqual({
      none: '400 NO_IMAGE',
      text: '400 BAD_IMAGE',
      truncated: '400 BAD_IMAGE',
      bomb: '400 BAD_IMAGE',
      large: '413 FST_ERR_CTP_BODY_TOO_LARGE',
      type: '415 FST_ERR_CTP_INVALID_MEDIA_TYPE',
      parameter: '400 FST_ERR_VALIDATION',
      unknown: '400 FST_ERR_VALIDATION',
      route: '404 NOT_FOUND',
      token: '401 UNAUTHORIZED',
    });
    expect(await metric('predictions_in_flight')).toBe(0);
  });

  it('says how it is, and which model it has', async () => {
    expect([(await ask('/healthz')).status, (await ask('/readyz')).status]).toEqual([200, 200]);
    const { body } = await ask('/model');
    expect(body).toMatchObject({ file: 'model.safetensors', classes: '0123456789'.split('') });
    expect((await predict(glyph)).body.model).toBe(body.version);
    expect(await metric('tenon_memory_bytes{kind="buffers"}'.replaceAll(/[{}]/g, '\\$&'))).toBeGreaterThan(
      1000,
    );
  });

  it('is busy above its limit, and clients that leave while they upload make room', async () => {
    const half = await Promise.all([1, 2, 3, 4].map(halfRequest));
    await until(async () => (await metric('predictions_in_flight')) === 4);
    const { status, body, retryAfter } = await predict(glyph);
    expect([status, body.code, retryAfter]).toEqual([503, 'BUSY', '1']);
    half.forEach((socket) => socket.destroy());
    await until(async () => (await metric('predictions_in_flight')) === 0);
    expect((await predict(glyph)).status).toBe(200);
    expect(await metric('prediction_clients_left_total')).toBe(4);
  });

  it('keeps its model where the new file cannot be used', async () => {
    const before = (await ask('/model')).body;
    const good = readFileSync(at('good.safetensors'));
    for (const bytes of [good.subarray(0, 1000), Buffer.from('no model'), Buffer.alloc(0)]) {
      writeFileSync(at('model.safetensors'), bytes);
      const { status, body } = await reload();
      expect([status, body.code]).toEqual([422, 'BAD_MODEL']);
    }
    rmSync(at('model.safetensors'));
    expect((await reload()).status).toBe(422);
    expect((await ask('/model')).body).toEqual(before);
    expect((await predict(glyph)).body.predictions?.[0]?.class).toBe('7');
  });

  it('replaces its model under requests, and loses none', async () => {
    let replacing = true;
    const versions = new Set<string | undefined>();
    const client = async (): Promise<void> => {
      while (replacing) {
        const { status, body } = await predict(glyph);
        expect(status).toBe(200);
        versions.add(body.model);
      }
    };
    const clients = [client(), client(), client()];
    for (const name of ['slow', 'good', 'slow', 'good']) {
      use(`${name}.safetensors`);
      const { version, changed } = (await reload()).body;
      expect(changed).toBe(true);
      await until(() => Promise.resolve(versions.has(version)));
    }
    replacing = false;
    await Promise.all(clients);
    expect(versions.size).toBe(2);
    const { loaded } = (await ask('/model')).body;
    server.kill('SIGHUP');
    await until(async () => (await ask('/model')).body.loaded !== loaded);
  });

  it('answers in one run what came while others ran, as it answers one image', async () => {
    use('slow.safetensors');
    await reload();
    const alone = (await predict(glyph)).body.predictions!;
    const [images, runs] = ['prediction_batch_images_sum', 'prediction_batch_images_count'];
    // On a busy machine, one may be done before the next one comes.
    for (let ran = 4; ran === 4;) {
      const before = [await metric(images), await metric(runs)] as const;
      const answers = await Promise.all([1, 2, 3, 4].map(() => predict(glyph)));
      for (const { body } of answers)
        body.predictions!.forEach(({ class: name, probability }, i) => {
          expect(name).toBe(alone[i]!.class);
          expect(probability).toBeCloseTo(alone[i]!.probability, 6);
        });
      expect((await metric(images)) - before[0]).toBe(4);
      ran = (await metric(runs)) - before[1];
    }
  });

  it('drops the images of clients that leave while they wait', async () => {
    // On a busy machine, the model may be done before the service learns that they left.
    while ((await metric('prediction_dropped_total')) === 0) {
      const leaving = new AbortController();
      const staying = [predict(glyph), predict(glyph)];
      const gone = [1, 2].map(() => predict(glyph, { signal: leaving.signal } as object));
      await sleep(20);
      leaving.abort();
      await Promise.allSettled(gone);
      expect((await Promise.all(staying)).map(({ status }) => status)).toEqual([200, 200]);
      await until(async () => (await metric('predictions_in_flight')) === 0);
    }
  });

  it('answers what is in flight when it is told to end', async () => {
    const ended = once(server, 'exit');
    let answers: Promise<Answer[]>;
    // On a busy machine, one may be done before it is seen that all of them are there.
    for (let together = false; !together;) {
      let answered = false;
      answers = Promise.all([1, 2, 3, 4].map(() => predict(glyph).finally(() => (answered = true))));
      await until(async () => {
        together = (await metric('predictions_in_flight')) === 4;
        return together || answered;
      });
      if (!together) await answers;
    }
    server.kill('SIGTERM');
    expect((await answers!).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await ended).toEqual([0, null]);
    await expect(ask('/healthz')).rejects.toThrow();
  });

  it('does not wait for ever, neither for a body nor for the model', async () => {
    await start({ ANSWER_TIMEOUT_MS: '1', UPLOAD_TIMEOUT_MS: '1000' });
    const { status, body, retryAfter } = await predict(glyph);
    expect([status, body.code, retryAfter]).toEqual([503, 'TIMEOUT', '1']);
    const half = await halfRequest();
    const [answer] = (await once(half, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 408 /);
    await until(async () => (await metric('predictions_in_flight')) === 0);
  });

  it('does not start with wrong settings, or without a model', () => {
    const run = (settings: object): readonly [number | null, string] => {
      const env = { ...process.env, ...SETTINGS, ...settings };
      const { status, stdout, stderr } = spawnSync(process.execPath, ['server.mjs'], {
        cwd: folder,
        env,
        encoding: 'utf8',
      });
      return [status, stdout + stderr];
    };
    expect(run({ PORT: 'http', MAX_BATCH: '0' })).toEqual([
      2,
      expect.stringMatching(/PORT must be a whole number from 0 to 65535, got "http"; MAX_BATCH must be/),
    ]);
    expect(run({ MODEL_FILE: 'none.safetensors' })).toEqual([1, expect.stringContaining('BAD_MODEL')]);
  });
});
