/** A study as a page that follows it, from a server on this machine. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { IoError, OptionError } from '../../errors';
import { checkKeys, clip, messageOf, nonEmptyString, problemOf, show } from '../../options';
import { Feed } from './feed';
import { pageOf } from './html';
import { openSource, type Shown, type Source } from './source';

export interface DashboardOptions {
  /** Default 8080; 0: any that is free. */
  readonly port?: number;
  /** The address that it listens on. Default `127.0.0.1`: only programs on this machine reach it. */
  readonly host?: string;
  /** The study's name, where the log holds several. */
  readonly name?: string;
}

/** Made by `tune.dashboard`. */
export interface Dashboard {
  /** What a browser opens. */
  readonly url: string;
  readonly port: number;
  /** Ends it. Connections that are open are closed. */
  close(): Promise<void>;
}

const WHERE = 'tune.dashboard';
/** Milliseconds between two questions of a page, and between two looks at the log. */
const POLL = 2000;
const LOOK = 500;
/** A log whose reading takes long is read less often: its reading takes at most a sixth of the time. */
const REST = 5;
const MOST_CONNECTIONS = 100;

/**
 * Serves the page of `tune.report`, which follows the study. It reads the log when a page asks, and only what
 * was appended; nothing is written. Whoever reaches the address can see the study, so that it should stay on
 * this machine, as it does by default.
 * @param study an open study, its folder, its journal, or another home
 * @throws OptionError; DataError where there is no study; FormatError; IoError, also for a port that is
 *   taken; TenonError where ECharts is not installed
 */
export async function dashboard(study: Shown, options: DashboardOptions = {}): Promise<Dashboard> {
  checkKeys(WHERE, options, ['port', 'host', 'name']);
  const { port = 8080, host: given = '127.0.0.1' } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new OptionError(`${WHERE}: port must be a whole number from 0 to 65535, got ${show(port)}`);
  const host = nonEmptyString(WHERE, 'host', given);
  const source = await openSource(WHERE, study, options.name);
  try {
    const watch = new Watch(source);
    await watch.look();
    const server = await listen(new Pages(watch, host).answer, port, host);
    const { port: taken } = server.address() as AddressInfo;
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${taken}/`;
    return { url, port: taken, close: () => close(server, source) };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Looks at the log for all pages together. */
class Watch {
  readonly feed: Feed;
  private next = 0;
  private looking: Promise<void> | undefined;

  constructor(readonly source: Source) {
    this.feed = new Feed(source);
  }

  /** @throws what reading the log throws */
  async look(): Promise<void> {
    if (this.looking !== undefined) return this.looking;
    if (performance.now() < this.next) return;
    this.looking = this.refresh().finally(() => (this.looking = undefined));
    await this.looking;
  }

  private async refresh(): Promise<void> {
    const begun = performance.now();
    try {
      await this.feed.refresh();
    } finally {
      const now = performance.now();
      this.next = now + Math.max(LOOK, REST * (now - begun));
    }
  }
}

/** What is sent to a request. */
interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly policy?: string;
}

class Pages {
  constructor(
    private readonly watch: Watch,
    private readonly host: string,
  ) {}

  readonly answer = (request: IncomingMessage, response: ServerResponse): void => {
    this.answerTo(request)
      .catch((error: unknown): Answer => json(500, { problem: clip(messageOf(error)) }))
      .then((answer) => send(request, response, answer))
      .catch(() => response.destroy());
  };

  private async answerTo(request: IncomingMessage): Promise<Answer> {
    const { method, url = '/', headers } = request;
    if (!this.isMeant(headers.host)) return text(403, 'this server has another name');
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET');
    const [path, query = ''] = url.split('?', 2);
    if (path === '/') return this.page();
    if (path === '/changes') return this.changes(new URLSearchParams(query).get('since') ?? undefined);
    return text(404, 'not found');
  }

  /**
   * A page from elsewhere can have its name lead here (DNS rebinding), and would then read what is served.
   * Its requests carry that name.
   */
  private isMeant(header: string | undefined): boolean {
    const name = header?.replace(/:\d+$/, '').toLowerCase();
    if (name === undefined) return false;
    const address = name.replace(/^\[(.*)\]$/, '$1');
    const own = [this.host.toLowerCase(), 'localhost', '127.0.0.1', '::1'];
    // Who listens on all addresses is reached by names that it cannot know; an address cannot be rebound.
    const anywhere = ['0.0.0.0', '::'].includes(this.host) && isAddress(address);
    return own.includes(address) || anywhere;
  }

  private async page(): Promise<Answer> {
    // A log that cannot be read just now shows what it was; the page then says what is wrong.
    await this.watch.look().catch(() => undefined);
    const title = `${this.watch.source.name} - tenon study`;
    const { html, policy } = pageOf({ title, update: this.watch.feed.since(undefined), poll: POLL });
    return { status: 200, type: 'text/html; charset=utf-8', body: html, policy };
  }

  private async changes(token: string | undefined): Promise<Answer> {
    await this.watch.look();
    return json(200, this.watch.feed.since(token));
  }
}

function isAddress(text: string): boolean {
  return /^[\d.]+$/.test(text) || text.includes(':');
}

function json(status: number, body: unknown): Answer {
  return { status, type: 'application/json', body: JSON.stringify(body) };
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body };
}

function send({ method }: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { status, type, body, policy = `default-src 'none'` } = answer;
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Content-Security-Policy': `${policy}; frame-ancestors 'none'`,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cache-Control': 'no-store',
    ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
  });
  response.end(method === 'HEAD' ? undefined : bytes);
}

function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  port: number,
  host: string,
): Promise<Server> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, answer);
  server.maxConnections = MOST_CONNECTIONS;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const address = `${clip(host)}:${port}`;
      reject(new IoError(`${WHERE}: cannot listen on ${address}: ${problemOf(error)}`, { cause: error }));
    });
    server.listen(port, host, () => resolve(server));
  });
}

async function close(server: Server, source: Source): Promise<void> {
  const closed = new Promise<void>((done) => server.close(() => done()));
  server.closeAllConnections();
  await closed;
  await source.close();
}
