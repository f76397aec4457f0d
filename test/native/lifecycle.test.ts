import { info, setPredictionShare, type NativeInfo } from '../../lib/native';
import { runChild, type ChildOptions } from './helpers';

function scenario(name: string, options: ChildOptions = {}) {
  return runChild('lifecycle', { flags: ['--expose-gc'], ...options, args: [name] });
}

function json<T>(name: string, options?: ChildOptions): T {
  const { status, signal, stdout, stderr } = scenario(name, options);
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout) as T;
}

const MB = 1 << 20;

describe('a process', () => {
  test('exits in the middle of a step, without waiting for it', () => {
    const { status, signal, stdout, endedAt } = scenario('exit');
    expect({ status, signal }).toEqual({ status: 3, signal: null });
    expect(endedAt - Number(/exiting at (\d+)/.exec(stdout)?.[1])).toBeLessThan(20_000);
  });

  test('stays while work is pending and then ends', () => {
    const { status, stdout } = scenario('drains');
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'settled 200\n' });
  });

  test('outlives dozens of workers that loaded the addon first and left mid-step', () => {
    const result = json<NativeInfo & { value: number }>('workers');
    expect(result.value).toBe(15);
    expect(result.memory.programs).toBe(1);
    expect(result.memory.buffers).toBe(4 << 18);
  }, 240_000);
});

describe('a worker inside a synchronous call', () => {
  test('can be terminated, and ends with the process', () => {
    const { status, signal, stdout, stderr } = scenario('synchronous-workers');
    expect({ status, signal, stdout, stderr }).toEqual({
      status: 0,
      signal: null,
      stdout: 'alive\n',
      stderr: '',
    });
  });
});

describe('memory', () => {
  test('of dropped programs and buffers is given back', () => {
    const { rounds, memory } = json<{ rounds: number[]; memory: NativeInfo['memory'] }>('memory');
    const { limit, ...live } = memory;
    expect(live).toEqual({ buffers: 0, arenas: 0, staging: 0, derived: 0, programs: 0 });
    expect(limit).toBeGreaterThan(100 * MB);
    expect(Math.max(...rounds.slice(-5)) - Math.min(...rounds.slice(0, 5))).toBeLessThan(20 * MB);
  });

  test('that a result does not get is an error, not the end of the process', () => {
    // Nearly always of the array; where something else took the room in between, of the copy before it.
    const message = expect.stringMatching(/^out of memory/) as string;
    expect(json('large')).toEqual([message, message, 1000]);
  });

  test('of a result comes from nothing that a script can replace', () => {
    const { status, signal, stdout, stderr } = scenario('replaced');
    expect({ status, signal, stdout, stderr }).toEqual({
      status: 0,
      signal: null,
      stdout: '1 2 2\n',
      stderr: '',
    });
  });

  test('for the executor, too: a run that gets no thread rejects, and the next one that does is right', () => {
    expect(json('no-thread')).toEqual(['ERR_TENON_NATIVE', 'ERR_TENON_NATIVE', 1]);
  });

  test('is flat over ten thousand runs', () => {
    const { seen } = json<{ seen: number[] }>('steps');
    const late = seen.slice(5);
    expect(Math.max(...late) - Math.min(...late)).toBeLessThan(5 * MB);
  });
});

test('the event loop turns beside runs that end as fast as they are settled', () => {
  // All eight of them in each of two calls, at most. With one function to call, thousands.
  expect(json<{ most: number }>('turns').most).toBeLessThanOrEqual(64);
});

describe('threads', () => {
  test('are one executor and its team, and sleep when idle', () => {
    const result = json<NativeInfo & { extra: number; idleMs: number }>('threads', {
      env: { TENON_NUM_THREADS: '3' },
    });
    expect(result.threads).toBe(3);
    expect(result.threadsReason).toBe('TENON_NUM_THREADS');
    expect(result.extra).toBe(3);
    expect(result.idleMs).toBeLessThan(50);
  });

  test.each([
    [{ TENON_NUM_THREADS: '2', OMP_NUM_THREADS: '5' }, 2, 'TENON_NUM_THREADS'],
    [{ TENON_NUM_THREADS: '', OMP_NUM_THREADS: '5,2' }, 5, 'OMP_NUM_THREADS'],
  ])('follow %j', (env, threads, threadsReason) => {
    expect(json<NativeInfo>('info', { env })).toMatchObject({ threads, threadsReason });
  });

  test.each(['0', '-1', 'x', '2x', '1e3', '99999', '1.5'])('TENON_NUM_THREADS=%s is an error', (value) => {
    const { status, stderr } = scenario('info', { env: { TENON_NUM_THREADS: value } });
    expect(status).toBe(1);
    expect(stderr).toContain('ERR_TENON_OPTION');
    expect(stderr).toContain(`TENON_NUM_THREADS=${value}`);
  });
});

describe('the share of predictions', () => {
  test.each([
    [{ TENON_PREDICTION_SHARE: '' }, 0.5, 'default'],
    [{ TENON_PREDICTION_SHARE: '0.25' }, 0.25, 'TENON_PREDICTION_SHARE'],
  ])('follows %j', (env, predictionShare, predictionShareReason) => {
    expect(json<NativeInfo>('info', { env })).toMatchObject({ predictionShare, predictionShareReason });
  });

  test.each(['0', '-1', '1.5', 'half', '0.5x', 'nan'])('TENON_PREDICTION_SHARE=%s is an error', (value) => {
    const { status, stderr } = scenario('info', { env: { TENON_PREDICTION_SHARE: value } });
    expect(status).toBe(1);
    expect(stderr).toContain('ERR_TENON_OPTION');
    expect(stderr).toContain(`TENON_PREDICTION_SHARE=${value}`);
  });

  test('is set by the program', () => {
    const before = info().predictionShare;
    setPredictionShare(0.75);
    expect(info()).toMatchObject({ predictionShare: 0.75, predictionShareReason: 'set by the program' });
    for (const bad of [0, -1, 1.01, NaN, Infinity, '0.5', undefined, null]) {
      expect(() => setPredictionShare(bad as number)).toThrow(
        expect.objectContaining({ code: 'ERR_TENON_OPTION' }),
      );
    }
    expect(info().predictionShare).toBe(0.75);
    setPredictionShare(before);
  });
});

describe('TENON_ISA', () => {
  const best = json<NativeInfo>('info', { env: { TENON_ISA: '' } });
  const available =
    process.arch === 'arm64'
      ? ['neon']
      : ['baseline', ...best.features.filter((f) => /^avx(2|512)$/.test(f))];

  test.each(available)('%s runs when forced', (isa) => {
    expect(json<NativeInfo>('info', { env: { TENON_ISA: isa } })).toMatchObject({
      isa,
      isaReason: `TENON_ISA=${isa}`,
    });
  });

  test('is the best there is when not set', () => {
    expect(available.at(-1)).toBe(best.isa);
  });

  test.each(['ref', 'sse9', 'AVX2', process.arch === 'arm64' ? 'avx2' : 'neon'])('%s is an error', (isa) => {
    const { status, stderr } = scenario('info', { env: { TENON_ISA: isa } });
    expect(status).toBe(1);
    expect(stderr).toContain('ERR_TENON_OPTION');
    expect(stderr).toContain(`TENON_ISA=${isa}: `);
  });
});

describe('TENON_BF16', () => {
  const without = { TENON_ISA: process.arch === 'arm64' ? 'neon' : 'baseline' };

  test.each([
    ['', { path: 'fp32', same: true }],
    ['emulated', { path: 'emulated', same: false }],
    ['best', { path: 'emulated', same: false }],
  ])('where there are no bf16 units: %j', (TENON_BF16, expected) => {
    expect(json('precision', { env: { ...without, TENON_BF16 } })).toEqual(expected);
  });

  test.each(['fp32', 'amx'])('%s is an error there', (TENON_BF16) => {
    const { status, stderr } = scenario('info', { env: { ...without, TENON_BF16 } });
    expect(status).toBe(1);
    expect(stderr).toContain(`TENON_BF16=${TENON_BF16}: `);
  });
});

test('disabled addons are explained', () => {
  const { status, stderr } = scenario('info', { flags: ['--no-addons'] });
  expect(status).toBe(1);
  expect(stderr).toMatch(/ERR_TENON_NATIVE/);
  expect(stderr).toMatch(/Start node without --no-addons/);
});
