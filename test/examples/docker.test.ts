/**
 * examples/docker without Docker: what its files say of each other, and its server as a process. That the
 * image is built and runs is checked by `npm run verify:docker`.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { parse } from 'yaml';
import { itBuilt, main, root } from '../cli/support';
import { installExample } from '../support/example';

const folder = join(root, 'examples', 'docker');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** Without comments, and with continued lines joined. */
function instructions(text: string): Instruction[] {
  const lines = text
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n');
  return lines.flatMap((line) => {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (line.trim() !== '' && name === '') throw new Error(`not an instruction: ${line}`);
    return name === '' ? [] : [{ name, rest }];
  });
}

const all = instructions(read('Dockerfile'));
const last = all.slice(all.map(({ name }) => name).lastIndexOf('FROM'));
const of = (list: readonly Instruction[], name: string): string[] =>
  list.filter((instruction) => instruction.name === name).map(({ rest }) => rest);

describe('the Dockerfile', () => {
  it('has stages of one base, of a Node that tenon runs on', () => {
    const [major = ''] = /(?<=^NODE=)\d+(?=-slim$)/.exec(of(all, 'ARG')[0] ?? '') ?? [];
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    expect(engines.node).toContain(`>=${major}.`);
    expect(of(all, 'FROM')).toEqual(['node:${NODE} AS dependencies', 'node:${NODE}']);
  });

  it('installs what the lockfile names, and nothing that compiles', () => {
    const commands = of(all, 'RUN');
    expect(commands.filter((command) => /npm (ci|install|i)\b/.test(command))).toEqual([
      'npm ci --omit=dev --no-audit --no-fund',
    ]);
    expect(commands.join('\n')).not.toMatch(/apt|apk|python|make|g\+\+|node-gyp/);
  });

  it('copies files that are there and that .dockerignore lets in', () => {
    const patterns = read('.dockerignore').trim().split('\n');
    expect(patterns[0]).toBe('*');
    const letIn = (file: string): boolean =>
      patterns.some((pattern) => pattern === `!${file}` || (pattern === '!*.mjs' && file.endsWith('.mjs')));
    const copied = of(all, 'COPY').filter((rest) => !rest.startsWith('--from'));
    const named = copied.flatMap((rest) => rest.split(/\s+/).slice(0, -1));
    const modules = readdirSync(folder).filter((file) => file.endsWith('.mjs'));
    const files = new Set(named.flatMap((name) => (name === '*.mjs' ? modules : [name])));
    expect(modules).toContain('server.mjs');
    expect(modules.filter((file) => !files.has(file))).toEqual([]);
    expect([...files].filter((file) => !letIn(file))).toEqual([]);
    // The lockfile is the user's.
    expect([...files].filter((file) => !existsSync(join(folder, file)))).toEqual(['package-lock.json']);
  });

  it('runs Node itself as a user who is not root, and checks its health', () => {
    expect(of(last, 'USER')).toEqual(['1000:1000']);
    expect(last.findIndex(({ name }) => name === 'USER')).toBeGreaterThan(
      last.map(({ name }) => name).lastIndexOf('RUN'),
    );
    expect(of(last, 'CMD').map((rest) => JSON.parse(rest) as unknown)).toEqual([['node', 'server.mjs']]);
    expect(of(last, 'STOPSIGNAL')).toEqual(['SIGTERM']);
    expect(of(last, 'HEALTHCHECK')[0]).toMatch(/CMD \["node", "health\.mjs"\]$/);
    expect(of(last, 'ENV')[0]).toContain('NODE_ENV=production');
  });
});

describe('compose.yaml', () => {
  interface Service {
    readonly command?: string[];
    readonly volumes: string[];
    readonly [key: string]: unknown;
  }
  const { services } = parse(read('compose.yaml'), { merge: true }) as {
    services: Record<'train' | 'serve', Service>;
  };

  it('limits both services, and lets only the training write, into its volume', () => {
    for (const service of [services.train, services.serve])
      expect(service).toMatchObject({ cpus: 2, mem_limit: '1g', read_only: true, tmpfs: ['/tmp'] });
    expect([services.train.volumes, services.serve.volumes]).toEqual([
      ['models:/models'],
      ['models:/models:ro'],
    ]);
    expect(services.train).toMatchObject({ restart: 'on-failure', hostname: 'train' });
  });

  itBuilt('trains into the file that the server loads, by a command that exists', () => {
    const command = services.train.command ?? [];
    const out = command[command.indexOf('--out') + 1];
    expect(of(last, 'ENV')[0]).toContain(`MODEL_FILE=${out}/model.safetensors`);
    const { stdout } = spawnSync(process.execPath, [main, 'train', '--help'], { encoding: 'utf8' });
    expect(command.slice(0, 2)).toEqual(['tenon', 'train']);
    for (const option of command.filter((word) => word.startsWith('--')))
      expect(stdout).toContain(`${option} `);
  });
});

describe('the server', () => {
  let installed: string;
  let server: ChildProcess;
  let url: string;
  let ended: Promise<unknown[]>;

  beforeAll(async () => {
    if (!existsSync(main)) return;
    installed = installExample('docker');
    const out = join(installed, 'run');
    const train = [main, 'train', '--model', 'mlp', '--epochs', '1', '--out', out];
    expect(spawnSync(process.execPath, train, { stdio: 'ignore' }).status).toBe(0);
    server = spawn(process.execPath, ['server.mjs'], {
      cwd: installed,
      env: { ...process.env, PORT: '0', MODEL_FILE: join(out, 'model.safetensors') },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    ended = once(server, 'exit');
    const [line] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string];
    url = `http://127.0.0.1:${/\d+$/.exec(line)?.[0]}`;
  }, 120_000);

  afterAll(() => {
    server?.kill('SIGKILL');
    if (installed) rmSync(installed, { recursive: true });
  });

  const predict = (body: Uint8Array): Promise<Response> => fetch(`${url}/predict`, { method: 'POST', body });

  itBuilt('classifies image files, and says how it is', async () => {
    const image = await sharp({ create: { width: 40, height: 60, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    const { predictions } = (await (await predict(image)).json()) as {
      predictions: { class: string; probability: number }[];
    };
    const probabilities = predictions.map(({ probability }) => probability);
    expect(new Set(predictions.map((prediction) => prediction.class)).size).toBe(5);
    expect(probabilities).toEqual([...probabilities].sort((a, b) => b - a));
    expect(probabilities[0]).toBeGreaterThanOrEqual(0.1);
    expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeLessThan(1.0001);
    const health = (await (await fetch(`${url}/healthz`)).json()) as object;
    expect(health).toMatchObject({
      status: 'ok',
      threads: expect.any(Number),
      memoryLimit: expect.any(Number),
    });
    const { status } = spawnSync(process.execPath, ['health.mjs'], {
      cwd: installed,
      env: { ...process.env, PORT: new URL(url).port },
    });
    expect(status).toBe(0);
  });

  itBuilt('refuses what is not an image, what is too large, and other paths', async () => {
    const refused = await predict(Buffer.from('GIF89a, but no'));
    expect([refused.status, await refused.json()]).toEqual([400, { error: expect.any(String) }]);
    expect((await predict(Buffer.alloc(10 * 2 ** 20 + 1))).status).toBe(413);
    expect((await fetch(`${url}/`)).status).toBe(404);
    const alone = spawnSync(process.execPath, ['health.mjs'], {
      cwd: installed,
      env: { ...process.env, PORT: '1' },
    });
    expect(alone.status).toBe(1);
  });

  itBuilt('ends with 0 after SIGTERM', async () => {
    server.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});
