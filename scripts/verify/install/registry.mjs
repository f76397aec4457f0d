/** A registry on loopback: it has tenon's packages and passes on what the usual registry has. */
import { createWriteStream, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { end, start, succeed } from './commands.mjs';

const STARTS_WITHIN = 60;

export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** tenon's packages are never asked for elsewhere: one of that name there is not what is tried here. */
const config = (folder, upstream) => `
storage: ${join(folder, 'storage')}
auth: { htpasswd: { file: ${join(folder, 'htpasswd')} } }
uplinks: { upstream: { url: '${upstream}', timeout: 120s, maxage: 60m } }
packages:
  '@tenon/*': { access: $all, publish: $authenticated }
  'tenon': { access: $all, publish: $authenticated }
  '**': { access: $all, publish: $authenticated, proxy: upstream }
web: { enable: false }
max_body_size: 100mb
log: { type: stdout, format: json, level: warn }
`;

async function answers(url, child) {
  for (let tries = 0; tries < 4 * STARTS_WITHIN; tries++) {
    if (child.exitCode !== null) throw new Error(`the registry ended with exit ${child.exitCode}`);
    const response = await fetch(`${url}-/ping`).catch(() => undefined);
    if (response?.ok) return;
    await pause(250);
  }
  throw new Error(`the registry did not answer within ${STARTS_WITHIN} seconds`);
}

const MONTH = 30 * 24 * 3600 * 1000;

/**
 * Dates what was published a month back: pnpm, yarn and Deno refuse versions of the last day, and a user
 * comes later than that.
 */
function age(storage) {
  const date = new Date(Date.now() - MONTH).toISOString();
  for (const name of readdirSync(storage, { recursive: true })) {
    if (!/^(tenon|@tenon\/[^/]+)\/package\.json$/.test(name)) continue;
    const file = join(storage, name);
    const record = JSON.parse(readFileSync(file, 'utf8'));
    for (const key of Object.keys(record.time)) record.time[key] = date;
    writeFileSync(file, JSON.stringify(record));
  }
}

/** A user of the registry: npm publishes only with a token. */
async function token(url) {
  const name = 'publisher';
  const response = await fetch(`${url}-/user/org.couchdb.user:${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, password: 'only-on-loopback' }),
  });
  if (!response.ok) throw new Error(`the registry makes no user: ${response.status}`);
  return (await response.json()).token;
}

const upstreamOf = async (key) => (await succeed(['npm', 'config', 'get', key])).stdout.trim();

/**
 * Starts the registry. `node` is Node 22 or newer, `program` verdaccio's file, `folder` where it
 * keeps its files.
 * @returns its address, `publish(tarballs)` and `stop()`
 */
export async function startRegistry({ node, program, folder }) {
  mkdirSync(folder, { recursive: true });
  const [upstream, cafile] = [await upstreamOf('registry'), await upstreamOf('cafile')];
  writeFileSync(join(folder, 'config.yaml'), config(folder, upstream));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const env = { ...process.env };
  if (cafile !== 'null') env.NODE_EXTRA_CA_CERTS ??= cafile;
  const command = [node, program, '--listen', `127.0.0.1:${port}`, '--config', join(folder, 'config.yaml')];
  const child = start(command, { env });
  const log = createWriteStream(join(folder, 'log'));
  for (const stream of [child.stdout, child.stderr]) stream.pipe(log, { end: false });
  const ended = new Promise((done) => child.on('close', done));
  const stop = async () => {
    if (child.exitCode === null) end(child);
    await ended;
    log.end();
  };
  try {
    await answers(url, child);
    const settings = join(folder, 'npmrc');
    writeFileSync(settings, `registry=${url}\n//127.0.0.1:${port}/:_authToken=${await token(url)}\n`);
    const publish = async (tarballs) => {
      const command = ['npm', 'publish', '--userconfig', settings, '--registry', url];
      for (const tarball of tarballs) await succeed([...command, tarball], { cwd: folder });
      age(join(folder, 'storage'));
    };
    return { url, publish, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
