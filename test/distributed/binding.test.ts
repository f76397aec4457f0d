import { bindingProblem, threadShare, type RankPlace } from '../../lib/distributed/binding';
import { cpuList, cpusOfProcess, parseCpus, union } from '../../lib/distributed/cpus';
import { coresOf, cpuQuota, info, proposeThreads } from '../../lib/native';
import { LAUNCHERS, scenario, why } from './mpirun';

/** A rank on a host of 8 CPUs, two to a core. */
function place(cpus: string, more: Partial<RankPlace> = {}): RankPlace {
  const own = parseCpus(cpus);
  const cores = pairs(own);
  return {
    host: 'a',
    cpus: own,
    cores,
    launcherCpus: parseCpus('0-7'),
    quota: null,
    threads: cores,
    threadsReason: 'of the machine',
    threadsChosen: false,
    ...more,
  };
}

const pairs = (cpus: readonly number[]): number => new Set(cpus.map((cpu) => cpu >> 1)).size;
const shares = (places: RankPlace[]) => places.map((_, rank) => threadShare(places, rank, pairs)?.threads);

describe('sets of CPUs', () => {
  it('are read and written as the kernel does', () => {
    expect(parseCpus(' 0-2,5\n')).toEqual([0, 1, 2, 5]);
    expect(parseCpus('\n')).toEqual([]);
    expect(cpuList([0, 1, 2, 5, 7, 8])).toBe('0-2,5,7-8');
    expect(cpuList([])).toBe('');
    expect(union([[3, 1], [1, 2], []])).toEqual([1, 2, 3]);
  });

  it('are those of a process', () => {
    const cpus = cpusOfProcess('self');
    if (process.platform === 'linux') expect(cpus?.length).toBeGreaterThan(0);
    expect(cpusOfProcess(2 ** 30)).toBeUndefined();
    expect(coresOf(cpus ?? [])).toBeLessThanOrEqual(cpus?.length ?? 0);
    expect(cpuQuota()).toBeGreaterThan(0);
  });
});

describe('threads of ranks', () => {
  it('are parts of the cores that ranks of a host share', () => {
    expect(shares([place('0-7'), place('0-7')])).toEqual([2, 2]);
    expect(shares([place('0-7'), place('0-7'), place('0-7')])).toEqual([1, 1, 1]);
    expect(shares(Array.from({ length: 9 }, () => place('0-7')))).toEqual(Array(9).fill(1));
    expect(threadShare([place('0-7'), place('0-7')], 1, pairs)?.reason).toBe(
      '4 cores, which 2 ranks of this host share',
    );
  });

  it('stay as they are where nothing is shared', () => {
    expect(shares([place('0-7')])).toEqual([undefined]);
    expect(shares([place('0-7'), place('0-7', { host: 'b' })])).toEqual([undefined, undefined]);
    expect(shares([place('0-3'), place('4-7')])).toEqual([undefined, undefined]);
    expect(shares([place('0-3'), place('0-3'), place('4-7')])).toEqual([1, 1, undefined]);
  });

  it('count ranks that overlap by way of others', () => {
    expect(shares([place('0-3'), place('2-5'), place('4-7')])).toEqual([1, 1, 1]);
  });

  it('share the quota of a cgroup also where no core is shared', () => {
    expect(shares([place('0-3', { quota: 2.5 }), place('4-7', { quota: 2.5 })])).toEqual([1, 1]);
    expect(shares([place('0-7', { quota: 100 }), place('0-7', { quota: 100 })])).toEqual([2, 2]);
    expect(threadShare([place('0-3', { quota: 2.5 }), place('4-7', { quota: 2.5 })], 0, pairs)?.reason).toBe(
      'cgroup CPU quota of 2.5, which 2 ranks of this host share',
    );
  });

  it('are parts of the default where the system does not tell CPUs', () => {
    const unknown = { cpus: null, launcherCpus: null, cores: 6 };
    expect(shares([place('0', unknown), place('0', unknown)])).toEqual([3, 3]);
    expect(bindingProblem([place('0', unknown)])).toBeUndefined();
  });

  it('are not changed where somebody chose them', () => {
    const { threads, threadsChosen } = info(); // chosen by a variable, or by a test in this process
    proposeThreads(threads + 1, 'for a test');
    expect(info()).toMatchObject({ threads: threadsChosen ? threads : threads + 1, threadsChosen });
    proposeThreads(threads, 'for a test');
  });
});

describe('the binding of ranks', () => {
  it('is a problem where cores stay idle', () => {
    expect(bindingProblem([place('0-1')])).toMatch(
      /^the launcher bound each rank on a to one core, which leaves 6 of 8 CPUs idle .*--bind-to none/,
    );
    expect(bindingProblem([place('0-1'), place('2-3')])).toMatch(/leaves 4 of 8 CPUs idle/);
    const other = { host: 'b', launcherCpus: [0, 1] };
    expect(bindingProblem([place('0-7'), place('0', other)])).toMatch(
      /each rank on b to .* leaves 1 of 2 CPUs idle/,
    );
  });

  it('is a problem where a rank has more threads than cores', () => {
    const many = { threads: 4, threadsReason: 'TENON_NUM_THREADS', threadsChosen: true };
    expect(bindingProblem([place('0-3'), place('4-5', many)])).toMatch(
      /^rank 1 \(a\) has 4 threads \(TENON_NUM_THREADS\), but its launcher bound it to 1 core\./,
    );
    expect(bindingProblem([place('0-7', { ...many, threads: 16 })])).toBeUndefined();
  });

  it('is none where all cores are used, or nobody wants more', () => {
    expect(bindingProblem([place('0-7')])).toBeUndefined();
    expect(bindingProblem([place('0-1'), place('2-3'), place('4-5'), place('6-7')])).toBeUndefined();
    expect(bindingProblem([place('0-3')])).toBeUndefined(); // bound to two cores, as asked for
    expect(bindingProblem([place('0-1', { threads: 1, threadsChosen: true })])).toBeUndefined();
    expect(bindingProblem([place('0-1', { quota: 2 }), place('2-3', { quota: 2 })])).toBeUndefined();
    expect(bindingProblem([place('0-1', { launcherCpus: parseCpus('0-1') })])).toBeUndefined();
  });
});

describe.each(LAUNCHERS)('$name', (launcher) => {
  const cores = coresOf(cpusOfProcess('self') ?? []);
  const withCores = launcher.program && cores > 1 ? it : it.skip;
  const note = cores > 1 ? why(launcher) : ' (skipped: there is one core)';
  const bound = {
    ...launcher,
    flags: launcher.flags.filter((flag) => !['--bind-to', 'none'].includes(flag)),
  };
  const env = { TENON_NUM_THREADS: undefined, OMP_NUM_THREADS: undefined };

  withCores(`shares the cores of the host${note}`, async () => {
    const { lines, err } = await scenario(launcher, 2, 'threads', env);
    expect(lines).toEqual([[cores >> 1], [cores >> 1]]);
    expect(err).toBe('');
  });

  withCores(`says once where cores stay idle${note}`, async () => {
    const flags = launcher.name === 'MPICH' ? ['-bind-to', 'core'] : bound.flags;
    const { lines, err } = await scenario({ ...bound, flags }, 1, 'threads', env);
    expect(lines).toEqual([[1]]);
    expect(err.match(/\[WARN_TENON_BINDING\] Warning: the launcher bound each rank on/g)).toHaveLength(1);
  });
});
