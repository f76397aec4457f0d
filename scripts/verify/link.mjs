/**
 * Two network namespaces of this machine, joined by a link of a given rate, in which Open MPI starts
 * a rank each.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launcherOf } from './mpirun.mjs';
import { Skipped } from './report.mjs';

const NETWORK = '10.77.0.0/24';
/** What the link is called at both ends. */
export const DEVICE = 'wire';
const ENDS = ['tenon-verify-a', 'tenon-verify-b'].map((name, i) => ({ name, address: `10.77.0.${i + 1}` }));

function system(program, ...args) {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Skipped(`${program} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}

/** A program in a namespace, whose host name is that of the namespace. */
const within = ({ name }, command) => [
  ...['ip', 'netns', 'exec', name, 'unshare', '--uts'],
  ...['sh', '-c', `hostname ${name}; exec ${command}`],
];

export class Link {
  /** @throws Skipped where this user or kernel cannot make it */
  constructor(gigabits) {
    this.folder = mkdtempSync(join(tmpdir(), 'tenon-verify-'));
    const [near, far] = ENDS;
    try {
      for (const { name } of ENDS) system('ip', 'netns', 'add', name);
      const peer = ['peer', 'name', DEVICE, 'netns', far.name];
      system('ip', 'link', 'add', DEVICE, 'netns', near.name, 'type', 'veth', ...peer);
      for (const { name, address } of ENDS) {
        system('ip', '-n', name, 'addr', 'add', `${address}/24`, 'dev', DEVICE);
        for (const device of ['lo', DEVICE]) system('ip', '-n', name, 'link', 'set', device, 'up');
        const shape = ['rate', `${gigabits}gbit`, 'burst', '128kb', 'latency', '50ms'];
        system('tc', '-n', name, 'qdisc', 'add', 'dev', DEVICE, 'root', 'tbf', ...shape);
      }
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** The command that runs a script of node on both ends, with one thread each. */
  mpirun(args) {
    const { file, flags } = launcherOf();
    // In place of ssh: mpirun calls it with a host and a command.
    const agent = join(this.folder, 'agent.sh');
    const [, far] = ENDS;
    const remote = within(far, '"$@"').slice(0, -1);
    writeFileSync(agent, `#!/bin/sh\nshift\nexec ${remote.join(' ')} "hostname ${far.name}; $*"\n`, {
      mode: 0o755,
    });
    const only = ['btl_tcp_if_include', 'oob_tcp_if_include'].flatMap((name) => ['--mca', name, NETWORK]);
    const carrier = ['--mca', 'pml', 'ob1', '--mca', 'btl', 'tcp,self', ...only];
    const hosts = ['--host', ENDS.map(({ address }) => `${address}:1`).join(',')];
    const start = [file, ...flags, ...hosts, '--mca', 'plm_rsh_agent', agent, ...carrier];
    const ranks = ['-n', '2', '-x', 'TENON_NUM_THREADS=1', process.execPath, ...args];
    const [program, ...rest] = within(ENDS[0], [...start, ...ranks].join(' '));
    return [program, rest];
  }

  /** The commands that run a program on each end; `arguments_(rank, address of rank 0)`. */
  each(program, arguments_) {
    return ENDS.map((end, rank) => {
      const [first, ...rest] = within(end, [program, ...arguments_(rank, ENDS[0].address)].join(' '));
      return [first, rest];
    });
  }

  remove() {
    for (const { name } of ENDS) spawnSync('ip', ['netns', 'del', name]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
