/**
 * examples/kubernetes without a cluster: what its files say of each other and of the image, and the command
 * of the job as a process that is killed. The schemas of Kubernetes are a Python package, which
 * `npm run verify:kubernetes` asks.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseAllDocuments } from 'yaml';
import { itBuilt, main, root, temporaryDirectory } from '../cli/support';

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly resources: { readonly requests: object; readonly limits: { readonly cpu: string } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly [field: string]: unknown;
}

interface Pod {
  readonly metadata: { readonly labels: object };
  readonly spec: {
    readonly containers: readonly [Container];
    readonly volumes: readonly { readonly name: string; readonly persistentVolumeClaim?: object }[];
    readonly [field: string]: unknown;
  };
}

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly template: Pod;
    readonly selector: object;
    readonly [field: string]: unknown;
  };
}

const text = (...path: string[]): string => readFileSync(join(root, 'examples', ...path), 'utf8');
const resources = ['training.yaml', 'serving.yaml'].flatMap((file) =>
  parseAllDocuments(text('kubernetes', file)).map((document) => document.toJS() as Resource),
);
const of = (kind: string): Resource => resources.find((resource) => resource.kind === kind)!;
const job = of('Job');
const pods = [job, of('Deployment')].map(({ spec }) => spec.template);
const [train, serve] = pods.map(({ spec }) => spec.containers[0]) as [Container, Container];
const command = [...(train.command ?? []), ...(train.args ?? [])];

describe('the manifests', () => {
  it('are these', () => {
    expect(resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'PersistentVolumeClaim glyphs',
      'Job train-glyphs',
      'Deployment glyphs',
      'Service glyphs',
    ]);
  });

  it('run pods without rights, which get whole processors and write to their volumes alone', () => {
    for (const { spec } of pods) {
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
      });
      const [container] = spec.containers;
      expect(container['securityContext']).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.resources.requests).toEqual(container.resources.limits);
      expect(container.resources.limits.cpu).toMatch(/^\d+$/);
      const named = container.volumeMounts.map(({ name }) => name);
      expect(spec.volumes.map(({ name }) => name)).toEqual(named);
      expect(container.volumeMounts.map(({ mountPath }) => mountPath)).toEqual(['/models', '/tmp']);
      expect(spec.volumes[0]?.persistentVolumeClaim).toEqual({
        claimName: of('PersistentVolumeClaim').metadata.name,
      });
    }
    expect(text('docker', 'Dockerfile')).toContain('\nUSER 1000:1000\n');
    expect(serve.image).toBe(train.image);
  });

  it('start another pod after an interruption, and none after a wrong command line', () => {
    const rules = (job.spec['podFailurePolicy'] as { rules: object[] }).rules;
    const onExit = (value: number): object => ({
      containerName: train.name,
      operator: 'In',
      values: [value],
    });
    expect(rules).toEqual([
      { action: 'FailJob', onExitCodes: onExit(2) },
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      { action: 'Ignore', onExitCodes: onExit(143) },
    ]);
    // Kubernetes refuses a policy with any other.
    expect(pods[0]!.spec['restartPolicy']).toBe('Never');
    // Without these two, one pod could not take over the lock of another, or would while it lives.
    expect(pods[0]!.spec['hostname']).toBe('train');
    expect(of('PersistentVolumeClaim').spec['accessModes']).toEqual(['ReadWriteOncePod']);
  });

  it('serve the model that the job trains, under the port and the labels that are looked for', () => {
    const out = command[command.indexOf('--out') + 1];
    const image = text('docker', 'Dockerfile');
    expect(image).toContain(`MODEL_FILE=${out}/model.safetensors`);
    expect(image).toContain(`PORT=${serve.ports?.[0]?.containerPort}`);
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
      expect(serve[probe]).toMatchObject({ httpGet: { path: '/healthz', port: serve.ports?.[0]?.name } });
    const { labels } = pods[1]!.metadata;
    expect(of('Deployment').spec.selector).toEqual({ matchLabels: labels });
    expect(of('Service').spec.selector).toEqual(labels);
  });
});

describe('the command of the job', () => {
  const dir = temporaryDirectory();
  const file = (out: string): Buffer => readFileSync(join(dir, out, 'model.safetensors'));

  /** The command of the manifest with a small network and more epochs, in a directory of ours. */
  function argumentsFor(out: string): string[] {
    const [program, ...rest] = command;
    expect(program).toBe('tenon');
    const at = rest.indexOf('--out') + 1;
    return [main, ...rest.with(at, join(dir, out)), '--model', 'mlp', '--epochs', '6'];
  }

  /** Runs it until it has finished `epochs` epochs more, and sends the signal. */
  async function interrupted(out: string, signal: NodeJS.Signals, epochs: number): Promise<unknown[]> {
    const child = spawn(process.execPath, argumentsFor(out), { stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(child, 'exit');
    let seen = 0;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('"event":"epoch"') && ++seen === epochs) child.kill(signal);
    });
    return ended;
  }

  itBuilt('ends with the same bits, however often it is killed', async () => {
    const whole = spawnSync(process.execPath, argumentsFor('whole'), { encoding: 'utf8' });
    expect([whole.status, whole.stderr]).toEqual([0, '']);
    expect(await interrupted('killed', 'SIGTERM', 1)).toEqual([143, null]);
    expect(await interrupted('killed', 'SIGKILL', 2)).toEqual([null, 'SIGKILL']);
    expect(existsSync(join(dir, 'killed', 'model.safetensors'))).toBe(false);
    for (const attempt of ['continues', 'finds it finished']) {
      const { status } = spawnSync(process.execPath, argumentsFor('killed'));
      expect([attempt, status]).toEqual([attempt, 0]);
      expect(file('killed').equals(file('whole'))).toBe(true);
    }
  });

  itBuilt('fails for good where its settings are not those of the run', () => {
    const other = [...argumentsFor('whole'), '--seed', '1'];
    expect(spawnSync(process.execPath, other).status).toBe(2);
  });
});
