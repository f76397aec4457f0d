import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join as joinPath } from 'node:path';
import { join } from '../../lib/distributed';
import { launcherOf } from '../../lib/distributed/launcher';
import { librariesFor } from '../../lib/distributed/libraries';
import { LAUNCHERS, scenario, why, type Outcome } from './mpirun';

const failures = ({ lines }: Outcome) => lines as readonly { code?: string; message?: string }[];

/** Whether some rank said this, as a DistributedError. */
function said(outcome: Outcome, message: RegExp): void {
  expect(failures(outcome)).toContainEqual({
    code: 'ERR_TENON_DISTRIBUTED',
    message: expect.stringMatching(message),
  });
  expect(outcome.code).not.toBe(0);
}

/** The sums that children/rank.ts makes, added one by one along the tree's definition. */
function expectedSums(): Record<string, string> {
  const shard = (index: number, count: number) => {
    let state = index * 7919 + 1;
    return Float32Array.from({ length: count }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state / 2 ** 32 - 0.5) * (state % 3 === 0 ? 1e6 : 1);
    });
  };
  const sum = (begin: number, end: number, count: number): Float32Array => {
    if (end - begin === 1) return shard(begin, count);
    let left = 1;
    while (left * 2 < end - begin) left *= 2;
    const a = sum(begin, begin + left, count);
    const b = sum(begin + left, end, count);
    return a.map((value, i) => value + (b[i] ?? NaN));
  };
  const hashes: Record<string, string> = {};
  for (const shards of [4, 7]) {
    for (const count of [1, 1000, 300_001]) {
      const bytes = new Uint8Array(sum(0, shards, count).buffer);
      hashes[`${shards} ${count}`] = createHash('sha256').update(bytes).digest('hex');
    }
  }
  return hashes;
}

describe.each(LAUNCHERS)('$name', (launcher) => {
  const withLauncher = launcher.program ? it : it.skip;
  const note = why(launcher);

  withLauncher(`carries bytes between ranks${note}`, async () => {
    const outcome = await scenario(launcher, 3, 'everything');
    expect(outcome.lines).toHaveLength(3);
    const ranks = outcome.lines.map((line) => (line as { rank: number }).rank).sort();
    expect(ranks).toEqual([0, 1, 2]);
    for (const line of outcome.lines)
      expect(line).toMatchObject({ size: 3, hosts: 3, broadcast: true, bytes: [7], gather: true });
    expect(outcome.code).toBe(0);
  });

  withLauncher(`sums to the same bits on any number of ranks${note}`, async () => {
    const expected = expectedSums();
    for (const ranks of [1, 2, 3, 4]) {
      const outcome = await scenario(launcher, ranks, 'sums');
      expect(outcome.lines).toEqual(Array.from({ length: ranks }, () => expected));
    }
  });

  withLauncher(`leaves SIGSEGV to V8${note}`, async () => {
    const { lines } = await scenario(launcher, 2, 'trap');
    expect(lines).toEqual(['memory access out of bounds', 'memory access out of bounds']);
  });

  withLauncher(`is joined and left once${note}`, async () => {
    const { lines, code } = await scenario(launcher, 2, 'rules');
    const codes = ['ERR_TENON_BUSY', 'ERR_TENON_DISPOSED', 'ERR_TENON_DISPOSED', 'ERR_TENON_BUSY'];
    expect(lines).toEqual([codes, codes]);
    expect(code).toBe(0);
  });

  withLauncher(`waits for a rank that is late${note}`, async () => {
    const { lines, code, err } = await scenario(launcher, 2, 'late');
    expect(lines).toEqual(['came', 'came']);
    expect(code).toBe(0);
    expect(err).toBe('');
  });

  withLauncher(`goes on where the whole job was stopped for a while${note}`, async () => {
    const { lines, code } = await scenario(launcher, 2, 'suspended');
    expect(lines).toEqual(['came', 'came']);
    expect(code).toBe(0);
  });

  withLauncher(`ends the job where ranks disagree${note}`, async () => {
    const message = /this one is in 'barrier' .* rank 1 \(.*\) in 'gather'/;
    said(await scenario(launcher, 2, 'other operation'), message);
    said(await scenario(launcher, 2, 'other size'), /from rank 0: 20 bytes came, where 24 were expected/);
  });

  withLauncher(`ends the job where a rank does not come, hangs or dies${note}`, async () => {
    said(
      await scenario(launcher, 3, 'absent'),
      /rank 1 .* answers, but its program has not come to it for 3 s/,
    );
    const stopped = await scenario(launcher, 3, 'stopped');
    said(stopped, /rank 1 .* has not answered for 2 s: its process hangs/);
    expect(stopped.seconds).toBeLessThan(60);
    expect((await scenario(launcher, 3, 'killed')).code).not.toBe(0);
    const thrown = await scenario(launcher, 2, 'throws');
    expect(failures(thrown)).toContainEqual({ message: 'of its own' });
    expect(thrown.code).not.toBe(0);
  });

  withLauncher(`names the library that was not found${note}`, async () => {
    const outcome = await scenario(launcher, 2, 'sums', { TENON_MPI: '/nowhere/libmpi.so' });
    said(outcome, /^distributed\.join: started by .*\n {2}\/nowhere\/libmpi\.so: .*\nTENON_MPI=FILE/s);
    said(await scenario(launcher, 2, 'sums', { TENON_MPI: 'libc.so.6' }), /libc\.so\.6: it has no MPI_/);
  });
});

describe('distributed.join', () => {
  const [openMpi] = LAUNCHERS;
  (openMpi?.program ? it : it.skip)('notices that a launcher of other ranks started none', () => {
    const register = joinPath(__dirname, '..', 'native', 'children', 'register.js');
    const child = spawnSync(
      process.execPath,
      ['-r', register, joinPath(__dirname, 'children', 'rank.ts'), 'sums'],
      {
        encoding: 'utf8',
        env: { ...process.env, SLURM_STEP_NUM_TASKS: '2' },
      },
    );
    expect(JSON.parse(child.stdout)).toEqual({
      code: 'ERR_TENON_DISTRIBUTED',
      message: expect.stringMatching(/the launcher started 2 ranks, but .* knows of 1:/),
    });
    expect(child.status).toBe(1);
  });

  it('makes a world of one without a launcher', async () => {
    await expect(join({ timeout: 0 })).rejects.toMatchObject({ code: 'ERR_TENON_OPTION' });
    await expect(join({ timout: 1 } as object)).rejects.toMatchObject({ code: 'ERR_TENON_OPTION' });
    const world = await join();
    expect(world).toMatchObject({ rank: 0, size: 1, mpi: undefined });
    expect(world.hosts).toHaveLength(1);
    await world.barrier();
    expect(await world.gather(['a', 1])).toEqual([['a', 1]]);
    const values = Int32Array.of(1, 2, 3);
    expect([...(await world.broadcast(values))]).toEqual([1, 2, 3]);
    expect(world.shards(4)).toEqual({ begin: 0, end: 4 });
    const sum = await world.sum([Float32Array.of(1, 2), Float32Array.of(3, 4)], { shards: 2 });
    expect([...sum]).toEqual([4, 6]);
    await expect(join()).rejects.toMatchObject({ code: 'ERR_TENON_BUSY' });

    const refused = async (promise: Promise<unknown>, code: string, message: RegExp) =>
      expect(promise).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await refused(
      world.sum([Float32Array.of(1)], { shards: 2 }),
      'ERR_TENON_DATA',
      /owns 2 of 2 shards, got 1/,
    );
    await refused(
      world.sum([Float32Array.of(1), Float32Array.of(1, 2)], { shards: 2 }),
      'ERR_TENON_DATA',
      /arrays of 1 and 2 numbers/,
    );
    await refused(world.sum([[1] as unknown as Float32Array]), 'ERR_TENON_DATA', /expected a Float32Array/);
    await refused(world.sum([], { shards: 0 }), 'ERR_TENON_OPTION', /shards must be a positive integer/);
    await refused(world.broadcast(values, { root: 1 }), 'ERR_TENON_OPTION', /root must be below 1/);
    await refused(
      world.broadcast('text' as unknown as Int32Array),
      'ERR_TENON_DATA',
      /expected a typed array/,
    );
    await refused(world.gather(undefined), 'ERR_TENON_DATA', /JSON cannot hold undefined/);
    await refused(world.gather(1n), 'ERR_TENON_DATA', /JSON cannot hold this value/);

    await world.leave();
    await refused(world.barrier(), 'ERR_TENON_DISPOSED', /has left its world/);
  });
});

describe('launchers', () => {
  it.each([
    [{}, undefined],
    [{ SLURM_NTASKS: '4', SLURM_PROCID: '0' }, undefined], // a batch script
    [
      { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '4', SLURM_STEP_NUM_TASKS: '1' },
      { family: 'openmpi', size: 4 },
    ],
    [
      { PMI_RANK: '0', PMI_SIZE: '3', MPI_LOCALNRANKS: '2' },
      { family: 'mpich', size: 3, localSize: 2 },
    ],
    [
      { SLURM_STEP_NUM_TASKS: '8', PMIX_RANK: '0' },
      { family: 'any', size: 8 },
    ],
    [{ PMIX_RANK: '0' }, { family: 'any', size: undefined }],
    [
      { PMI_RANK: '0', PMI_SIZE: 'many' },
      { family: 'mpich', size: undefined },
    ],
  ])('are told by their variables: %j', (env, expected) => {
    const found = launcherOf(env);
    if (expected) expect(found).toMatchObject(expected);
    else expect(found).toBeUndefined();
  });

  it('choose the libraries', () => {
    expect(librariesFor('openmpi', {})).toEqual(['libmpi.so.40', 'libmpi_abi.so.1', 'libmpi_abi.so.0']);
    expect(librariesFor('mpich', {})[0]).toBe('libmpi.so.12');
    expect(librariesFor('mpich', {})).not.toContain('libmpi.so.40');
    expect(librariesFor('any', { TENON_MPI: '/opt/libmpi.so' })).toEqual(['/opt/libmpi.so']);
  });
});
