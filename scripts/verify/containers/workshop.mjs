/**
 * A root of its own, made by debootstrap, with Debian's buildah and podman: they build Dockerfiles and run
 * containers, with limits and read-only roots, as Docker would. It needs root, and nothing that Debian and
 * the npm registry do not have: no image is fetched.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, Skipped } from '../report.mjs';
import { filledOnce, need, run, succeed } from '../install/commands.mjs';

const SUITE = 'bookworm';
const MIRROR = process.env.TENON_DEBIAN_MIRROR ?? 'http://deb.debian.org/debian';
const PROGRAMS = ['buildah', 'podman', 'crun', 'netavark'];
const kept = join(root, 'build', 'verify-containers');

/** The programs of the workshop see their own root alone; $2 is /work there. The last line never ends. */
const ENTER = `
mount --bind "$1" "$1" && cd "$1" && mkdir -p old work &&
mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev &&
mount --bind "$2" work && mount -t tmpfs tmpfs run && mount -t tmpfs tmpfs tmp || exit 1
umount sys/fs/cgroup/unified 2>/dev/null # crun takes one version of cgroups or the other
pivot_root . old && umount -l /old && echo ready && exec sleep infinity
`;

const PODMAN = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--tmpdir', '/run/libpod'];
const STORAGE = ['--root', '/work/storage', '--runroot', '/run/storage'];

/** The folder `name` under build/, which `make(folder)` fills once. */
const once = (name, make) => filledOnce(join(kept, name), make);

/** A root of Debian with as little as possible in it. */
export const debianRoot = () =>
  once(`debian-${SUITE}`, (folder) =>
    succeed(['debootstrap', '--variant=minbase', SUITE, folder, MIRROR], { seconds: 1200 }),
  );

/** The root with buildah and podman. */
const toolRoot = () =>
  once(`tools-${SUITE}`, async (folder) => {
    await succeed(['cp', '-a', `${await debianRoot()}/.`, folder]);
    await succeed(['cp', '/etc/resolv.conf', '/etc/hosts', join(folder, 'etc')]);
    const install = [
      'mount -t proc proc "$1/proc" && exec chroot "$1" sh -c "apt-get -q update &&',
      `DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends ${PROGRAMS.join(' ')}"`,
    ].join(' ');
    await succeed(['unshare', '--mount', 'sh', '-c', install, 'sh', folder], { seconds: 1200 });
    // Plugins that were not installed, of which podman would complain at every start.
    rmSync(join(folder, 'etc', 'cni', 'net.d'), { recursive: true, force: true });
  });

function needMachine() {
  if (process.getuid?.() !== 0) throw new Skipped('needs root, to mount');
  need('debootstrap', 'unshare', 'nsenter', 'chroot');
}

/** The process that `unshare` has forked: the first of the new namespaces. */
const childOf = (pid) =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);

/** Starts the process whose namespaces all others share; with it, all of them end. */
async function startSession(folder, work) {
  const args = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', ENTER, 'sh', folder, work];
  const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  const ended = new Promise((done) => child.on('close', done));
  const ready = new Promise((done) => child.stdout.once('data', done));
  if ((await Promise.race([ready, ended.then(() => 'ended')])) === 'ended')
    throw new Skipped(`no root of its own: ${said.trim()}`);
  return { pid: childOf(child.pid), end: () => (child.kill('SIGKILL'), ended) };
}

/**
 * Opens a workshop. `work` is a folder that is `/work` inside. `buildah(...)` and `podman(...)` run a command
 * and resolve with what it printed, `tryPodman(...)` does so also where it fails.
 */
export async function openWorkshop() {
  needMachine();
  const folder = await toolRoot();
  const work = mkdtempSync(join(tmpdir(), 'tenon-containers-'));
  const { pid, end } = await startSession(folder, work);
  const inside = (...command) => ['nsenter', '-t', String(pid), '-m', '-p', '-r', '-w', ...command];
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    STORAGE_DRIVER: 'overlay',
    LANG: 'C.UTF-8',
  };
  const podman = (...args) => inside('podman', ...STORAGE, ...PODMAN, ...args.map(String));
  return {
    work,
    buildah: (...args) => succeed(inside('buildah', ...STORAGE, ...args), { env, seconds: 900 }),
    podman: async (...args) => (await succeed(podman(...args), { env, seconds: 900 })).stdout.trim(),
    tryPodman: (...args) => run(podman(...args), { env, seconds: 900 }),
    async close() {
      await run(podman('rm', '--all', '--force', '--time', '0'), { env });
      const cgroups = ['-depth', '-type', 'd', '-path', '*/libpod_parent*', '-exec', 'rmdir', '{}', '+'];
      await run(inside('find', '/sys/fs/cgroup', ...cgroups));
      await end();
      rmSync(work, { recursive: true, force: true });
    },
  };
}
