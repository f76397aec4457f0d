/** `tenon train` on the ranks of a job. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { root, temporaryDirectory, tenon } from '../cli/support';
import { LAUNCHERS, mpirun, why } from './mpirun';

jest.setTimeout(300_000);

const dir = temporaryDirectory();
const main = [
  '-r',
  join(root, 'test', 'native', 'children', 'register.js'),
  join(root, 'lib', 'cli', 'main.ts'),
];
const settings = ['train', '--json', '--model', 'mlp', '--epochs', '2', '--batch-size', '1024'];
const launcher = LAUNCHERS.find(({ program }) => program) ?? LAUNCHERS[0]!;
const withRanks = launcher.program ? it : it.skip;

const out = (name: string): string[] => ['--out', join(dir, name)];
const modelOf = (name: string): string =>
  createHash('sha256')
    .update(readFileSync(join(dir, name, 'model.safetensors')))
    .digest('hex');
const eventsOf = (lines: readonly unknown[]) => lines.map((line) => (line as { event: string }).event);

describe('tenon train on several ranks', () => {
  withRanks(`trains as one process with as many shards, and rank 0 speaks${why(launcher)}`, async () => {
    const { lines, code, err } = await mpirun(launcher, 2, [...main, ...settings, ...out('two')]);
    expect([code, err]).toEqual([0, '']);
    expect(eventsOf(lines)).toEqual(['start', 'epoch', 'epoch', 'done']);
    expect(lines[0]).toMatchObject({ shards: 2, resumed: false });
    expect((await tenon(...settings, '--shards', 2, ...out('one'))).code).toBe(0);
    expect(modelOf('two')).toBe(modelOf('one'));
  });

  withRanks(`goes on where a job of other ranks was interrupted${why(launcher)}`, async () => {
    const begun = [...main, join(__dirname, 'children', 'interrupt.ts')];
    const more = ['--epochs', '3', '--shards', '3', ...out('stopped')];
    const stopped = await mpirun(launcher, 3, [...begun.slice(0, 2), begun[3]!, ...settings, ...more]);
    expect(stopped.code).not.toBe(0);
    expect(eventsOf(stopped.lines)).not.toContain('done');
    expect(existsSync(join(dir, 'stopped', 'checkpoints', 'latest'))).toBe(true);
    const resumed = await mpirun(launcher, 2, [...main, 'train', '--json', '--resume', join(dir, 'stopped')]);
    expect(resumed.lines[0]).toMatchObject({ event: 'start', shards: 3, resumed: true });
    expect((await tenon(...settings, '--epochs', 3, '--shards', 3, ...out('whole'))).code).toBe(0);
    expect(modelOf('stopped')).toBe(modelOf('whole'));
  });

  withRanks(`with batch norm over all ranks, also after a resume${why(launcher)}`, async () => {
    const data = join(dir, 'photos');
    for (const split of ['train', 'test'])
      for (const [kind, background] of Object.entries({ cat: 'red', dog: 'blue' })) {
        mkdirSync(join(data, split, kind), { recursive: true });
        const noise = { type: 'gaussian' as const, mean: 120, sigma: 40 };
        for (let i = 0; i < 6; i++)
          await sharp({ create: { width: 8, height: 8, channels: 3, background, noise } })
            .png()
            .toFile(join(data, split, kind, `${i}.png`));
      }
    const photos = ['train', '--json', '--dataset', 'folder', '--data', data, '--image-size', '8'];
    const small = ['--model', 'resnet20', '--validation', '0', '--batch-size', '9', '--epochs', '2'];
    const given = [...photos, ...small, '--sync-batch-norm'];
    const { lines, code, err } = await mpirun(launcher, 2, [...main, ...given, ...out('synced')]);
    expect([code, err]).toEqual([0, '']);
    expect(eventsOf(lines)).toContain('done');
    expect(JSON.parse(readFileSync(join(dir, 'synced', 'run.json'), 'utf8'))).toMatchObject({
      ...{ shards: 2, syncBatchNorm: true },
    });
    const half = ['--shards', '2', '--schedule', 'constant', ...out('half')];
    expect((await tenon(...given, ...half, '--epochs', 1)).code).toBe(0);
    expect((await tenon('train', '--resume', join(dir, 'half'), '--epochs', 2)).code).toBe(0);
    const whole = ['--shards', '2', '--schedule', 'constant', ...out('at-once')];
    expect((await tenon(...given, ...whole)).code).toBe(0);
    expect(modelOf('half')).toBe(modelOf('at-once'));
    expect((await tenon(...given, '--shards', 2, ...out('alone'))).code).toBe(0);
    expect(modelOf('synced')).toBe(modelOf('alone'));
  });

  it('is for train: evaluate works in one process', async () => {
    process.env.OMPI_COMM_WORLD_RANK = '0';
    process.env.OMPI_COMM_WORLD_SIZE = '2';
    try {
      const { code, err } = await tenon('evaluate', '--model-file', join(dir, 'none'));
      expect([code, err]).toEqual([
        2,
        expect.stringMatching(/started 2 ranks, but tenon evaluate works in one/),
      ]);
    } finally {
      delete process.env.OMPI_COMM_WORLD_RANK;
      delete process.env.OMPI_COMM_WORLD_SIZE;
    }
  });

  withRanks(`says once what is wrong${why(launcher)}`, async () => {
    const { lines, code } = await mpirun(launcher, 2, [...main, ...settings, '--shards', '1', ...out('bad')]);
    expect(lines).toMatchObject([
      { event: 'error', code: 'ERR_TENON_USAGE', message: '--shards 1: 2 ranks need as many at least' },
    ]);
    expect(code).toBe(2);
  });
});
