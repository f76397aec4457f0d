'use strict';

/**
 * A PostgreSQL server for tests, in a temporary folder and at a free port of the loopback interface.
 *   node postgres-server.js     runs one, until its standard input ends
 * It prints how to reach it as JSON, and then takes `stop` and `start`, a word a line, which it
 * answers by it.
 */

const { execFileSync, spawn } = require('node:child_process');
const { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:net');
const { tmpdir } = require('node:os');
const { delimiter, join } = require('node:path');
const { createInterface } = require('node:readline');

const USER = 'tenon';
const PASSWORD = 'sesame/é@:';
const DEBIAN = '/usr/lib/postgresql';

/** The folder of the server's programs; undefined where it is not installed. TENON_POSTGRES names one. */
function findPostgres() {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    process.env.TENON_POSTGRES,
    ...versions.map((version) => join(DEBIAN, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ];
  return folders.find((folder) => folder && ['initdb', 'postgres'].every((n) => existsSync(join(folder, n))));
}

/** Who runs the server: it refuses to run as root. */
function identity() {
  if (process.getuid() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag) => Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // There is no such user.
    }
  }
  throw new Error('no user to run PostgreSQL as, which refuses to run as root');
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

class Server {
  constructor(programs, folder, port, who) {
    Object.assign(this, { programs, folder, port, who });
  }

  initialize() {
    const passwords = join(this.folder, 'password');
    writeFileSync(passwords, `${PASSWORD}\n`, { mode: 0o644 });
    const data = join(this.folder, 'data');
    const settings = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync'];
    execFileSync(
      join(this.programs, 'initdb'),
      ['-D', data, '-U', USER, '--pwfile', passwords, ...settings],
      { ...this.who, cwd: this.folder, stdio: ['ignore', 'ignore', 'inherit'] },
    );
  }

  /** Resolves once it takes connections. */
  start() {
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: this.folder,
      fsync: 'off', // a test does not outlive a loss of power
      shared_buffers: '16MB',
      lc_messages: 'C',
    };
    this.child = spawn(
      join(this.programs, 'postgres'),
      [
        ...['-D', join(this.folder, 'data'), '-p', String(this.port)],
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { ...this.who, cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    this.ended = new Promise((resolve) => this.child.on('close', resolve));
    return new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.stderr.on('data', (chunk) => {
        said = (said + chunk).slice(-4000);
        if (said.includes('ready to accept connections')) resolve();
      });
      void this.ended.then(() => reject(new Error(`PostgreSQL has ended: ${said}`)));
    });
  }

  /** At once, as a crash would. */
  async stop() {
    this.child?.kill('SIGQUIT');
    await this.ended;
  }
}

async function main() {
  const programs = findPostgres();
  if (programs === undefined) throw new Error('PostgreSQL is not installed');
  const who = identity();
  const folder = mkdtempSync(join(tmpdir(), 'tenon-postgres-'));
  if (who.uid !== undefined) chownSync(folder, who.uid, who.gid);
  const server = new Server(programs, folder, await freePort(), who);
  try {
    server.initialize();
    await server.start();
    const access = { host: '127.0.0.1', port: server.port, database: 'postgres', user: USER };
    console.log(JSON.stringify({ access: { ...access, password: PASSWORD }, socket: folder }));
    for await (const word of createInterface({ input: process.stdin })) {
      await server[word === 'stop' ? 'stop' : 'start']();
      console.log(word);
    }
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Starts a server in a process of its own, which ends with this one.
 * @returns how to reach it, and the folder of its Unix socket; `tell('stop')`, `tell('start')`; `close()`
 */
async function startPostgres() {
  const child = spawn(process.execPath, [__filename], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { done, value } = await lines.next();
    if (done) throw new Error('the server of the tests has ended');
    return value;
  };
  const { access, socket } = JSON.parse(await next());
  const tell = (word) => {
    child.stdin.write(`${word}\n`);
    return next();
  };
  const close = async () => {
    child.stdin.end();
    await ended;
  };
  return { access, socket, tell, close };
}

module.exports = { findPostgres, startPostgres };
if (require.main === module)
  main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
