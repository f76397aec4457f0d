import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import * as fs from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { BusyError, IoError } from '../../lib/errors';
import { lockDirectory } from '../../lib/files/directory-lock';

jest.mock('node:fs/promises', () => ({
  __esModule: true,
  ...jest.requireActual<object>('node:fs/promises'),
}));

const register = join(__dirname, '../native/children/register.js');

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'tenon-lock-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** The number of a process that has ended. */
const dead = spawnSync(process.execPath, ['--version']).pid;
const ID = '0123456789abcdef01';

function writeLock(owner: object, name = '.lock', directory = dir): void {
  const whole = { pid: dead, host: hostname(), started: 'once', fd: 20, id: ID, ...owner };
  writeFileSync(join(directory, name), JSON.stringify(whole));
}

test('one run has a directory, by whatever path, until it lets go', async () => {
  const inner = join(dir, 'a', 'b');
  const lock = await lockDirectory(inner, []);
  symlinkSync(inner, join(dir, 'link'));
  for (const path of [inner, join(dir, 'link')]) {
    await expect(lockDirectory(path, [])).rejects.toThrow(BusyError);
    await expect(lockDirectory(path, [])).rejects.toThrow(
      `${path} is in use by another run of this process (process ${process.pid} on ${hostname()})`,
    );
  }
  lock.release();
  lock.release();
  expect(existsSync(inner)).toBe(false); // it was made for the lock, and nothing came into it
  mkdirSync(inner);
  const again = await lockDirectory(inner, []);
  expect(readdirSync(inner)).toEqual(['.lock']);
  again.release();
  expect(readdirSync(inner)).toEqual([]);
});

test.each([
  ['of a process that has ended', {}],
  ['of a process whose number another has by now', { pid: process.ppid }],
  ['of this process before it began', { pid: process.pid }],
])('a lock %s is taken over', async (_, owner) => {
  writeLock(owner);
  const lock = await lockDirectory(dir, []);
  expect(JSON.parse(readFileSync(join(dir, '.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
  expect(readdirSync(dir)).toEqual(['.lock']);
  lock.release();
  expect(readdirSync(dir)).toEqual([]);
});

test('a takeover that was interrupted is taken over, too', async () => {
  writeLock({});
  writeLock({ id: 'a'.repeat(18) }, `.lock-${ID}`);
  (await lockDirectory(dir, [])).release();
  expect(readdirSync(dir)).toEqual([]);
});

test("another machine's lock is refused, and the message says what to do", async () => {
  writeLock({ host: 'elsewhere', pid: process.pid });
  await expect(lockDirectory(dir, [])).rejects.toThrow(
    `in use by another run (process ${process.pid} on elsewhere); if that run has ended, delete the file .lock in the directory`,
  );
});

test.each([
  ['no JSON', 'x'],
  ['a list', '[]'],
  ['null', 'null'],
  ['a path for an id', JSON.stringify({ pid: dead, host: hostname(), started: '', fd: 1, id: '../../x' })],
  ['a negative process', JSON.stringify({ pid: -1, host: hostname(), started: '', fd: 1, id: ID })],
])(
  'a lock that holds %s is left alone',
  async (_, text) => {
    writeFileSync(join(dir, '.lock'), text);
    await expect(lockDirectory(dir, [])).rejects.toThrow(BusyError);
    expect(readFileSync(join(dir, '.lock'), 'utf8')).toBe(text);
  },
  30_000,
);

test('what the system refuses is an IoError', async () => {
  writeFileSync(join(dir, 'file'), '');
  await expect(lockDirectory(join(dir, 'file', 'below'), [])).rejects.toThrow(IoError);
});

test('only what the owner of the lock writes is cleared up', async () => {
  const names = [
    '.latest.0123456789ab.tmp',
    '.other.0123456789ab.tmp',
    `.lock-${ID}`,
    '..lock.0123456789ab.tmp',
  ];
  for (const name of [...names, '.latest.mine.tmp']) writeFileSync(join(dir, name), '');
  (await lockDirectory(dir, ['latest'])).release();
  expect(readdirSync(dir).sort()).toEqual(['.latest.mine.tmp', '.other.0123456789ab.tmp']);
});

test('of many that find a stale lock, one gets the directory', async () => {
  for (let round = 0; round < 60; round++) {
    writeLock({});
    const attempts = await Promise.allSettled(Array.from({ length: 6 }, () => lockDirectory(dir, [])));
    const taken = attempts.flatMap((a) => (a.status === 'fulfilled' ? [a.value] : []));
    const refused = attempts.flatMap((a) => (a.status === 'rejected' ? [a.reason as unknown] : []));
    expect([taken.length, refused.length]).toEqual([1, 5]);
    for (const error of refused) expect(error).toBeInstanceOf(BusyError);
    taken[0]!.release();
    expect(readdirSync(dir)).toEqual([]);
  }
}, 120_000);

test('of three processes that find stale locks at once, one gets each; what they held is free when they end', async () => {
  const rooms = Array.from({ length: 40 }, (_, i) => join(dir, String(i)));
  for (const room of rooms) {
    mkdirSync(room);
    writeLock({}, '.lock', room);
  }
  const script = join(__dirname, 'children', 'lock.ts');
  const children = [0, 1, 2].map(() => fork(script, { execArgv: ['-r', register] }));
  const hear = (): Promise<unknown[]> =>
    Promise.all(
      children.map(async (child) => {
        const [said] = (await once(child, 'message')) as unknown[];
        return said;
      }),
    );
  expect(await hear()).toEqual(['ready', 'ready', 'ready']);
  for (const directory of rooms) {
    const heard = hear();
    for (const child of children) child.send({ directory });
    expect((await heard).sort()).toEqual(['ERR_TENON_BUSY', 'ERR_TENON_BUSY', 'taken']);
  }
  const ended = Promise.all(children.map((child) => once(child, 'exit')));
  for (const child of children) child.send('end');
  await ended;
  for (const room of rooms) expect(readdirSync(room)).toEqual([]);
}, 120_000);

test('a worker thread that is ended lets go, though its process lives on', async () => {
  const source = `
    require(${JSON.stringify(register)});
    require(${JSON.stringify(join(__dirname, '../../lib/files/directory-lock.ts'))})
      .lockDirectory(${JSON.stringify(dir)}, []).then(() => require('node:worker_threads').parentPort.postMessage('taken'));
    setInterval(() => {}, 1000);`;
  const worker = new Worker(source, { eval: true });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await expect(lockDirectory(dir, [])).rejects.toThrow(BusyError);
  await worker.terminate();
  (await lockDirectory(dir, [])).release();
}, 60_000);

test('a file system without hard links', async () => {
  const link = jest.spyOn(fs, 'link').mockRejectedValue(Object.assign(new Error('no'), { code: 'EPERM' }));
  try {
    const lock = await lockDirectory(dir, []);
    await expect(lockDirectory(dir, [])).rejects.toThrow(BusyError);
    lock.release();
    expect(readdirSync(dir)).toEqual([]);
    expect(link).toHaveBeenCalled();
  } finally {
    link.mockRestore();
  }
});
