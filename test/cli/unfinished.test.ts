import { spawnSync } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory, root } from './support';

const dir = temporaryDirectory();

/** Runs the command in another process, where drawing the embedded set never ends. */
function never(way: 'drain' | 'exit', ...args: string[]): ReturnType<typeof spawnSync> {
  const children = join(root, 'test', 'native', 'children');
  const script = join(__dirname, 'children', 'never.ts');
  return spawnSync(process.execPath, ['-r', join(children, 'register.js'), script, way, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}

describe('a command whose promise never settles', () => {
  test.each(['drain', 'exit'] as const)('fails and says so (%s)', (way) => {
    const { status, stdout, stderr } = never(way, 'train', '--out', join(dir, way));
    expect(stderr).toBe(
      'tenon: the process ended before the command was done: what it waits for can no longer come\n',
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  });

  test('with --json it is an error line', () => {
    const { status, stdout, stderr } = never('drain', 'train', '--json', '--out', join(dir, 'json'));
    expect(JSON.parse(String(stdout))).toMatchObject({ event: 'error', code: 'ERR_TENON_UNFINISHED' });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
  });
});

test('a command that cannot write its answer fails', () => {
  const full = openSync('/dev/full', 'w');
  const register = join(root, 'test', 'native', 'children', 'register.js');
  const main = join(root, 'lib', 'cli', 'main.ts');
  const { status } = spawnSync(process.execPath, ['-r', register, main, 'doctor'], {
    stdio: ['ignore', full, 'pipe'],
    timeout: 60_000,
  });
  closeSync(full);
  expect(status).toBe(1);
});
