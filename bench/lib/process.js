'use strict';

/**
 * The parent's side of the protocol in child.js: one child process, one request at a time, each
 * with a deadline.
 */
const { spawn } = require('node:child_process');
const readline = require('node:readline');

const keptStderr = 4000;

/** A child in the middle of a step would outlive us. */
const live = new Set();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

class ChildProcess {
  /** @param {{ command: string, args: string[], env?: Record<string, string> }} launch */
  constructor(launch) {
    const env = { ...process.env, ...launch.env };
    this.stderr = '';
    this.waiting = undefined;
    this.ended = undefined;
    this.process = spawn(launch.command, launch.args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    live.add(this.process);
    this.process.stderr.on('data', (chunk) => {
      this.stderr = (this.stderr + chunk).slice(-keptStderr);
    });
    // A child that died between two requests is reported by the next one.
    this.process.stdin.on('error', () => {});
    this.process.on('error', (error) => this.end(error.message));
    this.process.on('close', (code, signal) =>
      this.end(`ended with ${signal ?? `code ${code}`}: ${this.lastLine()}`),
    );
    readline.createInterface({ input: this.process.stdout }).on('line', (line) => this.receive(line));
  }

  /**
   * Sends one command and waits for its event.
   * @returns {Promise<{ event: string, [key: string]: unknown }>} `timeout` when nothing came in time: the
   *   child was killed then
   */
  request(message, timeoutMs) {
    if (this.ended !== undefined) return Promise.resolve({ event: 'error', message: this.ended });
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.settle({ event: 'timeout' });
        this.kill();
      }, timeoutMs);
      this.waiting = { resolve, timer };
      this.process.stdin.write(JSON.stringify(message) + '\n');
    });
  }

  kill() {
    this.process.kill('SIGKILL');
  }

  receive(line) {
    // Libraries print to stdout too; what is not an event of ours is dropped.
    if (!line.startsWith('{"event"')) return;
    this.settle(JSON.parse(line));
  }

  settle(event) {
    if (this.waiting === undefined) return;
    clearTimeout(this.waiting.timer);
    this.waiting.resolve(event);
    this.waiting = undefined;
  }

  end(message) {
    live.delete(this.process);
    this.ended ??= message;
    this.settle({ event: 'error', message: this.ended });
  }

  lastLine() {
    return this.stderr.trim().split('\n').at(-1) ?? '';
  }
}

module.exports = { ChildProcess };
