/** A Redis server for the tests of a file, which are skipped where it is not installed. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
/** Behind the names of tests. */
export const why = hasRedis ? '' : ' (skipped: redis-server is not installed)';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** At a free port of the loopback interface; it keeps nothing on disk. */
export class RedisServer {
  private readonly folder = mkdtempSync(join(tmpdir(), 'tenon-redis-'));
  private child: ChildProcess | undefined;

  private constructor(readonly port: number) {}

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort());
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const settings = ['--bind', '127.0.0.1', '--port', String(this.port), '--dir', this.folder];
    const child = spawn('redis-server', [...settings, '--save', '', '--appendonly', 'no']);
    this.child = child;
    let text = '';
    for await (const chunk of child.stdout) {
      text += String(chunk);
      if (text.includes('Ready to accept connections')) break;
    }
    if (child.exitCode !== null) throw new Error(`redis-server ended: ${text}`);
    child.stdout.resume();
  }

  /** Ends it as a crash would: what it held is lost. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
