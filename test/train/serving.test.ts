import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

interface Training {
  readonly outcome: string;
  /** Predictions answered while the steps ran, and between the abort and the end of `fit`. */
  readonly during: number;
  readonly afterAbort: number;
  readonly digest: string;
}

interface Serving {
  readonly steps: number;
  readonly alone: Training;
  readonly together: Training;
  readonly amid: Training;
}

function serve(): Serving {
  const register = join(__dirname, '..', 'native', 'children', 'register.js');
  const script = join(__dirname, 'children', 'serving.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-r', register, script], {
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, TENON_PREDICTION_SHARE: '0.5' },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as Serving;
}

test('workers that predict without a pause take about half the time of training, its bits stay, and it can be aborted', () => {
  const { steps, alone, together, amid } = serve();
  for (const { outcome } of [alone, together, amid]) expect(outcome).toBe('AbortedError');
  expect(together.digest).toBe(alone.digest);
  // A step takes as long as two or three of them. Without a share, hundreds go before it.
  const perStep = 20;
  expect(together.during).toBeGreaterThan(0);
  expect(together.during).toBeLessThan(perStep * steps);
  expect(amid.afterAbort).toBeLessThan(2 * perStep);
}, 180_000);
