import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

interface Training {
  readonly outcome: string;
  readonly steps: number;
  readonly digest: string;
}

/** How the executor divides its time is tested where it can be counted: native/test/runtime_test.cc. */
test('beside workers that predict without a pause, training keeps its bits, both go on, and it can be aborted', () => {
  const register = join(__dirname, '..', 'native', 'children', 'register.js');
  const script = join(__dirname, 'children', 'serving.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-r', register, script], {
    encoding: 'utf8',
    timeout: 200_000,
    env: { ...process.env, TENON_PREDICTION_SHARE: '0.5' },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const trainings = JSON.parse(stdout) as Readonly<Record<'together' | 'amid' | 'alone', Training>>;
  expect(Object.values(trainings).map(({ outcome }) => outcome)).toEqual(Array(3).fill('AbortedError'));
  expect(trainings.together).toEqual(trainings.alone);
});
