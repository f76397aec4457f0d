import { spawnSync } from 'node:child_process';
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { itBuilt, root, temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();

function doctorIn(folder: string, env: Record<string, string>): { status: number | null; stderr: string } {
  const main = join(folder, 'dist', 'cli', 'main.js');
  return spawnSync(process.execPath, [main, 'doctor'], { encoding: 'utf8', env: { ...process.env, ...env } });
}

describe('tenon doctor', () => {
  it('tells processor, instruction set, threads, build and memory, and why', async () => {
    const { code, out } = await tenon('doctor');
    for (const name of [
      'tenon',
      'processor',
      'instructions',
      'threads',
      'build',
      'addon',
      'memory',
      'node',
      'images',
    ])
      expect(out).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    expect(code).toBe(0);
  });

  it('tells the same as JSON', async () => {
    const { lines } = await tenon('doctor', '--json');
    expect(lines).toEqual([
      expect.objectContaining({
        event: 'done',
        isa: expect.any(String),
        isaReason: expect.any(String),
        threads: expect.any(Number),
        threadsReason: expect.any(String),
        threadPool: expect.stringMatching(/^(team|openmp)$/),
        predictionShare: expect.any(Number),
        predictionShareReason: expect.any(String),
        compiler: expect.any(String),
        memory: expect.objectContaining({ limit: expect.any(Number) }),
        images: { ok: true, problem: null },
      }),
    ]);
  });

  itBuilt('exits with 1 and a remedy where the addon is missing', () => {
    cpSync(join(root, 'dist'), join(dir, 'dist'), { recursive: true });
    cpSync(join(root, 'package.json'), join(dir, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
    const { status, stderr } = doctorIn(dir, {});
    expect(stderr).toMatch(
      /^tenon: tenon's addon could not be loaded on .*\n {2}local build .*\.node: it is not there/,
    );
    expect(stderr).toContain('npm run build:native'); // package.json is that of a checkout
    expect(stderr).not.toMatch(/^ +at /m);
    expect(status).toBe(1);
  });

  itBuilt('exits with 1 where TENON_ISA asks for what the machine lacks', () => {
    const { status, stderr } = doctorIn(root, { TENON_ISA: 'vax' });
    expect(stderr).toMatch(/^tenon: TENON_ISA=vax: expected one of [^\n]*\n$/);
    expect(status).toBe(1);
  });
});
