/** Containers of examples/docker, run as its README says. */
import { setTimeout as pause } from 'node:timers/promises';

/** As `docker run` takes them. The network is the host's: the workshop has no other. */
export const HARDENED = ['--network', 'host', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'all'].concat([
  '--security-opt',
  'no-new-privileges',
]);
export const LIMITS = { cpus: 1, memory: 512 * 2 ** 20 };
const limited = ['--cpus', String(LIMITS.cpus), '--memory', String(LIMITS.memory)];
/** podman would let systemd call the health check; here it is called by hand. */
const UNWATCHED = '--no-healthcheck';

/** Runs a command in a fresh container to its end and returns what it printed. */
export const inContainer = ({ podman }, tag, command, more = []) =>
  podman('run', '--rm', UNWATCHED, ...HARDENED, ...limited, ...more, tag, ...command);

/**
 * Starts the server of the image and waits until its path `ready` answers with 200. `url`: where it is;
 * `stop()` ends it as `docker stop` does.
 */
export async function serve({ podman, tryPodman }, tag, { port, ready, more }) {
  const options = [...HARDENED, ...limited, ...more, '--env', `PORT=${port}`];
  const id = await podman('run', '--detach', UNWATCHED, ...options, tag);
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await fetch(`${url}${ready}`).catch(() => undefined))?.ok; tries++) {
    const running = await podman('inspect', '--format', '{{.State.Running}}', id);
    if (running !== 'true' || tries === 240)
      throw new Error(`no server: ${(await tryPodman('logs', id)).stderr}`);
    await pause(250);
  }
  return {
    url,
    exec: (...command) => tryPodman('exec', id, ...command),
    async stop() {
      const begun = performance.now();
      await podman('stop', '--time', '10', id);
      const code = Number(await podman('inspect', '--format', '{{.State.ExitCode}}', id));
      await podman('rm', id);
      return { code, seconds: (performance.now() - begun) / 1000 };
    },
  };
}
