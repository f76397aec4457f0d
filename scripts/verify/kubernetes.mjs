/**
 * examples/kubernetes: its files against the schemas of several versions of Kubernetes, and the pods of its
 * job as containers of the image of examples/docker, which are stopped and killed: the model must be that of
 * a run that was left alone, bit for bit.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { buildExample, context } from './containers/images.mjs';
import { withRegistry } from './containers/packages.mjs';
import { validateManifests } from './containers/python-tools.mjs';
import { openWorkshop } from './containers/workshop.mjs';
import { check, root } from './report.mjs';

const goal = 'valid; a job that is stopped and killed ends with the same SHA-256';
const defaults = { packages: 'build/packages', kills: 3 };

/** The newest when this was written, and the oldest that knows every field. */
const VERSIONS = ['1.37', '1.29'];

/** Milliseconds from the end of an epoch until a pod is ended, at random. */
const MOST_WAIT = 1500;

const files = ['training.yaml', 'serving.yaml'].map((name) => join(root, 'examples', 'kubernetes', name));

function assert(condition, problem) {
  if (!condition) throw new Error(problem);
}

/** The files are valid, and a file with a field of the wrong type and one with an unknown field are not. */
async function checkManifests(work) {
  for (const version of VERSIONS) {
    const problems = await validateManifests(version, files);
    assert(problems.length === 0, `Kubernetes ${version}: ${problems.join('; ')}`);
  }
  const text = readFileSync(files[0], 'utf8');
  const wrong = { 'backoffLimit: 4': 'backoffLimit: four', 'hostname: train': 'hostnames: train' };
  for (const [right, instead] of Object.entries(wrong)) {
    const file = join(work, 'wrong.yaml');
    writeFileSync(file, text.replace(right, instead));
    assert((await validateManifests(VERSIONS[0], [file])).length > 0, `${instead} passes as valid`);
  }
}

const BYTES = { Mi: 2 ** 20, Gi: 2 ** 30 };
const bytesOf = (quantity) => parseInt(quantity, 10) * BYTES[quantity.slice(-2)];

/** The options of `podman run` that do what a kubelet does with the pod of the job. */
function podOptions({ spec }) {
  const [{ resources, securityContext, volumeMounts }] = spec.containers;
  const { runAsUser, runAsGroup } = spec.securityContext;
  const options = ['--network', 'host', '--no-healthcheck', '--user', `${runAsUser}:${runAsGroup}`];
  options.push('--cpus', resources.limits.cpu, '--memory', String(bytesOf(resources.limits.memory)));
  options.push(...securityContext.capabilities.drop.flatMap((name) => ['--cap-drop', name.toLowerCase()]));
  if (securityContext.readOnlyRootFilesystem) options.push('--read-only', '--read-only-tmpfs=false');
  if (!securityContext.allowPrivilegeEscalation) options.push('--security-opt', 'no-new-privileges');
  const volumes = new Map(spec.volumes.map((volume) => [volume.name, volume]));
  for (const { name, mountPath } of volumeMounts) {
    const claim = volumes.get(name).persistentVolumeClaim?.claimName;
    options.push(...(claim === undefined ? ['--tmpfs', mountPath] : ['--volume', `CLAIM:${mountPath}`]));
  }
  return options;
}

/** Pods of the job, one after another, over a volume named `claim`, with `always` behind their arguments. */
function pods({ podman, tryPodman }, tag, template, always) {
  const { spec } = template;
  const [{ command, args }] = spec.containers;
  const start = (claim, { hostname = spec.hostname, more = [] } = {}) => {
    const options = podOptions(template).map((option) => option.replace('CLAIM', claim));
    return podman(
      'run',
      '--detach',
      '--hostname',
      hostname,
      ...options,
      tag,
      ...command,
      ...args,
      ...always,
      ...more,
    );
  };
  const epochs = async (id) => ((await podman('logs', id)).match(/"event":"epoch"/g) ?? []).length;
  const end = async (id) => {
    const code = Number(await podman('wait', id));
    const { stdout, stderr } = await tryPodman('logs', id);
    await podman('rm', id);
    return { code, said: `${stdout}${stderr}` };
  };
  return {
    run: async (claim, how) => end(await start(claim, how)),
    /** A pod that is ended by `kill(id)` a while after its next epoch. */
    async interrupted(claim, kill, milliseconds) {
      const id = await start(claim);
      while ((await epochs(id)) === 0) {
        if ((await podman('inspect', '--format', '{{.State.Running}}', id)) !== 'true') break;
        await pause(50);
      }
      await pause(milliseconds);
      await kill(id, spec.terminationGracePeriodSeconds);
      return end(id);
    },
    digest: async (claim) => {
      const sum = ['sha256sum', `${command[command.indexOf('--out') + 1]}/model.safetensors`];
      const mount = ['--rm', '--network', 'host', '--volume', `${claim}:/models:ro`];
      return (await podman('run', ...mount, tag, ...sum)).slice(0, 64);
    },
  };
}

/** Ends a pod as a kubelet does: it asks first, and kills after the grace period. */
const ENDINGS = [
  {
    signal: 'SIGTERM',
    code: 143,
    end:
      ({ podman }) =>
      (id, grace) =>
        podman('stop', '--time', grace, id),
  },
  {
    signal: 'SIGKILL',
    code: 137,
    end:
      ({ podman }) =>
      (id) =>
        podman('kill', '--signal', 'KILL', id),
  },
];

/** A run that is interrupted `kills` times, by the one and the other in turn, and one that is not. */
async function checkJob(workshop, tag, kills) {
  const { podman } = workshop;
  const job = parseAllDocuments(readFileSync(files[0], 'utf8'))[1].toJS();
  const more = ['--epochs', String(kills + 2)];
  const { run, interrupted, digest } = pods(workshop, tag, job.spec.template, more);
  const expect = async (code, what, ended) => {
    const { code: got, said } = await ended;
    assert(got === code, `${what}: exit code ${got}, expected ${code}: ${said.slice(-300)}`);
    return said;
  };
  for (const claim of ['whole', 'killed']) await podman('volume', 'create', claim);
  await expect(0, 'the job', run('whole'));
  for (let i = 0; i < kills; i++) {
    const { signal, code, end } = ENDINGS[i % ENDINGS.length];
    await expect(code, signal, interrupted('killed', end(workshop), Math.random() * MOST_WAIT));
    if (signal !== 'SIGKILL') continue;
    const said = await expect(1, 'a pod of another name', run('killed', { hostname: 'another' }));
    assert(said.includes('ERR_TENON_BUSY'), `a pod of another name: ${said.slice(-300)}`);
  }
  await expect(0, 'the last pod', run('killed'));
  const digests = [await digest('whole'), await digest('killed')];
  await expect(0, 'a pod of a finished run', run('killed'));
  await expect(2, 'other settings', run('killed', { more: ['--seed', '1'] }));
  digests.push(await digest('killed'));
  return { digests, same: new Set(digests).size === 1 };
}

await check('kubernetes', goal, defaults, async ({ packages, kills }) => {
  const workshop = await openWorkshop();
  try {
    await checkManifests(workshop.work);
    return await withRegistry(resolve(root, packages), join(workshop.work, 'registry'), async (registry) => {
      await context(workshop, registry);
      const { tag } = await buildExample(workshop, { base: '22-slim', registry });
      const { digests, same } = await checkJob(workshop, tag, kills);
      const [whole, killed] = digests.map((digest) => digest.slice(0, 16));
      const bits = same ? whole : `${whole} became ${killed}`;
      const figure = `valid for Kubernetes ${VERSIONS.join(' and ')}; ended ${kills} times: ${bits}`;
      return { pass: same, figure, details: { digests } };
    });
  } finally {
    await workshop.close();
  }
});
