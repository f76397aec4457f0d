/** In other processes, as a process joins only once. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describeMpi, type MpiFacts } from '../../lib/cli/doctor-mpi';
import { LAUNCHERS, mpirun, why } from '../distributed/mpirun';
import { root } from './support';

const command = [
  '-r',
  join(root, 'test', 'native', 'children', 'register.js'),
  join(root, 'lib', 'cli', 'main.ts'),
  'doctor',
  '--mpi',
  '--json',
];
const timings = [1, 2 ** 10, 2 ** 16, 2 ** 20, 2 ** 24, 2 ** 26].map((bytes) => ({
  bytes,
  seconds: expect.any(Number),
}));

describe('tenon doctor --mpi', () => {
  it('tells which libraries there are where nobody started ranks', () => {
    const { stdout, status } = spawnSync(process.execPath, command, { encoding: 'utf8' });
    const { mpi } = JSON.parse(stdout) as { mpi: MpiFacts };
    expect(mpi).toMatchObject({ launcher: null, rank: 0, size: 1, library: null, binding: null, links: [] });
    expect(mpi.ranks).toHaveLength(1);
    expect(mpi.libraries.map(({ name }) => name)).toContain('libmpi.so.40');
    for (const library of mpi.libraries)
      expect('problem' in library || library.version.length > 0).toBe(true);
    expect(status).toBe(0);
  });

  const launcher = LAUNCHERS.find(({ program }) => program) ?? LAUNCHERS[0]!;
  (launcher.program ? it : it.skip)(`measures, and only rank 0 prints${why(launcher)}`, async () => {
    const { lines, code } = await mpirun(launcher, 2, command);
    expect(lines).toHaveLength(1);
    const [line] = lines as [{ threadsReason: string; mpi: MpiFacts }];
    expect(line.mpi).toMatchObject({
      launcher: expect.any(String),
      size: 2,
      library: { file: expect.stringContaining('mpi'), abi: expect.any(String) },
      libraries: [],
      links: [{ kind: 'host', ranks: [0, 1], timings }],
      sums: timings,
    });
    expect(line.mpi.ranks[0]!.threadsReason).toBe(line.threadsReason);
    expect(code).toBe(0);
  });

  it('shows ranks that are placed alike in one line', () => {
    const rank = {
      host: 'a',
      cpus: [0, 1],
      cores: 2,
      launcherCpus: null,
      quota: null,
      threads: 1,
      threadsReason: 'why',
      threadsChosen: false,
    };
    const facts: MpiFacts = {
      launcher: 'mpirun',
      rank: 0,
      size: 3,
      library: { file: '/lib/libmpi.so', abi: 'mpich', version: 'MPICH Version:\t4' },
      libraries: [],
      ranks: [rank, rank, { ...rank, host: 'b', cpus: null, threads: 2 }],
      binding: null,
      links: [{ kind: 'network', ranks: [1, 2], timings: [{ bytes: 1000, seconds: 1e-6 }] }],
      sums: [{ bytes: 1 << 20, seconds: 2 }],
    };
    expect(describeMpi(facts)).toEqual([
      ['launcher', 'mpirun: 3 ranks'],
      ['mpi', "MPICH Version: 4 (MPICH's binary interface): /lib/libmpi.so"],
      ['ranks 0-1', 'on a: 1 thread each (why); CPUs 0-1'],
      ['rank 2', 'on b: 2 threads (why)'],
      ['binding', 'every rank has cores for its threads'],
      ['', expect.stringMatching(/^ +1 MiB$/)],
      ['ranks 1, 2', expect.stringMatching(/^on two hosts +1\.00 us$/)],
      ['sum of 3', expect.stringMatching(/^of all ranks +2\.00 s$/)],
      ['bandwidth', '8.00 Gbit/s between hosts, 0.00419 Gbit/s of sums'],
    ]);
  });
});
