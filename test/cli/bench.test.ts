import { join } from 'node:path';
import { info } from '../../lib/native';
import * as models from '../../lib/models';
import { tenon, temporaryDirectory } from './support';

const dir = temporaryDirectory();
const peaks = {
  gflops: expect.any(Number),
  bf16Gflops: expect.any(Number),
  memory: { bytes: expect.any(Number), plain: expect.any(Number), streaming: expect.any(Number) },
  cache: { bytes: expect.any(Number), plain: expect.any(Number), streaming: expect.any(Number) },
};

interface Done {
  kernelMs: number;
  memory: { arena: number; parameters: number; optimizer: number; peakResident: number };
  peaks: { gflops: number; bf16Gflops: number; memory: { plain: number; streaming: number } };
  calls: { kernel: string; op: string; layer: string; ms: number; share: number; gflops: number }[];
}

async function done(...args: string[]): Promise<Done> {
  const { code, err, lines } = await tenon('bench', ...args, '--json');
  expect([code, err]).toEqual([0, '']);
  expect(lines).toHaveLength(1);
  return lines[0] as unknown as Done;
}

describe('tenon bench', () => {
  it('profiles each call of a training step', async () => {
    const result = await done('--model', 'lenet', '--batch', '4', '--steps', '2', '--profile');
    // Two multiplications and additions of 16 floats per cycle, at 6 GHz: the measured peak depends on load.
    const most = info().threads * 6 * 2 * 2 * 16;
    expect(result).toMatchObject({
      event: 'done',
      model: 'lenet',
      mode: 'training',
      precision: 'fp32',
      input: [1, 28, 28],
      batch: 4,
      steps: 2,
      peaks,
    });
    expect(result.calls.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
    expect(result.calls.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(result.kernelMs, 6);
    expect(result.calls.map(({ op }) => op)).toContain('conv2d_backward_weights');
    for (const { gflops } of result.calls) expect(gflops).toBeLessThan(most);
  });

  it('tells the memory of a step', async () => {
    const { memory } = await done('--model', 'lenet', '--batch', '4', '--steps', '1');
    const weights = models.lenet().summary({ inputShape: [1, 28, 28] }).parameters;
    expect(memory.parameters).toBe(4 * weights);
    expect(memory.optimizer).toBe(8 * weights);
    expect(memory.arena).toBeGreaterThan(4 * 4 * 32 * 28 * 28);
    expect(memory.peakResident).toBeGreaterThan(memory.arena);
  });

  it('measures inference, other sizes and networks', async () => {
    const flags = ['--model', 'resnet18', '--input', '3x32x48', '--batch', '2', '--steps', '1', '--eval'];
    const result = await done(...flags, '--profile');
    expect(result).toMatchObject({ mode: 'inference', input: [3, 32, 48] });
    expect(result.memory.optimizer).toBe(0);
    // What predictions run: batch norms are folded beforehand, and every convolution still depends
    // on the run.
    expect(result.calls.some(({ kernel }) => /backward|batch_norm/.test(kernel))).toBe(false);
    expect(result.calls.filter(({ kernel }) => kernel === 'conv2d')).toHaveLength(20);
  });

  it('leaves frozen layers out of the step', async () => {
    const flags = ['--model', 'resnet20', '--batch', '2', '--steps', '1'];
    const all = '0,1,3,4,5,6,7,8,9,10,11';
    const { calls, memory } = await done(...flags, '--profile', '--freeze', all);
    expect(calls.filter(({ kernel }) => /conv2d_backward|batch_norm.*backward/.test(kernel))).toEqual([]);
    expect(memory.arena).toBeLessThan((await done(...flags)).memory.arena / 2);
    for (const [wrong, message] of [
      [['--freeze', 'x'], 'freeze: no parameter matches x'],
      [['--freeze', '0', '--eval'], '--freeze is for training'],
    ] as const) {
      const { code, err } = await tenon('bench', ...flags, ...wrong);
      expect([code, err]).toEqual([2, expect.stringContaining(message)]);
    }
  });

  it('measures a model file', async () => {
    const file = join(dir, 'model.safetensors');
    await models.lenet({ classes: 3 }).save(file);
    const flags = ['--model', file, '--batch', '2', '--steps', '1'];
    expect(await done(...flags, '--input', '1x28x28')).toMatchObject({ model: file, batch: 2 });
    const without = await tenon('bench', ...flags);
    expect([without.code, without.err]).toEqual([2, expect.stringContaining('give --input CxHxW')]);
  });

  it('prints a table for people', async () => {
    const { code, out } = await tenon('bench', '--model', 'mlp', '--batch', 2, '--steps', 1, '--profile');
    expect(code).toBe(0);
    for (const name of ['model', 'step', 'work', 'kernels', 'held', 'machine', 'arithmetic', 'memory'])
      expect(out).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    expect(out).toMatch(/^op +layer +kernel +ms +share +GFLOP\/s +GB\/s +of limit$/m);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends at %s after the step that it is in, with %i', async (signal, code) => {
    const run = tenon('bench', '--model', 'mlp', '--batch', 1, '--steps', 20_000, '--json');
    setTimeout(() => process.emit(signal), 50);
    const stopped = await run;
    expect([stopped.code, stopped.err]).toEqual([code, expect.stringContaining(`${signal}: stopping`)]);
    expect(stopped.lines[0]!['steps']).toBeGreaterThanOrEqual(1);
    expect(stopped.lines[0]!['steps']).toBeLessThan(20_000);
  });

  it('tells of a signal that came while it looked at the machine', async () => {
    setImmediate(() => process.emit('SIGINT'));
    expect((await tenon('bench', '--peak')).code).toBe(130);
  });

  it('measures what the machine can do', async () => {
    const result = await done('--peak');
    expect(result).toMatchObject({
      event: 'done',
      isa: expect.any(String),
      bf16: info().bf16.path,
      threads: expect.any(Number),
      peaks,
    });
    expect(result.peaks.gflops).toBeGreaterThan(0.5);
    expect(result.peaks.bf16Gflops).toBeGreaterThan(0.5);
    expect(result.peaks.memory.streaming).toBeGreaterThan(0.1);
  });

  it.each([
    [['--model', 'resnet19'], 'did you mean "resnet18"'],
    [['--batch', '0'], '--batch must be a positive integer, got 0'],
    [['--input', '3x32'], '--input must be CHANNELSxHEIGHTxWIDTH, as in 3x224x224, got "3x32"'],
    [['--input', '0x32x32'], '--input must be CHANNELSxHEIGHTxWIDTH'],
    [['--steps', 'x'], '--steps must be a positive integer, got "x"'],
    [['--precision', 'fp8'], '--precision must be one of'],
    [['--peak', '--model', 'lenet'], '--model cannot be used with --peak'],
    [['--model', 'lenet', '--input', '1x28x30'], '--model lenet takes square images'],
  ])('refuses %j', async (args, message) => {
    const { code, out, err } = await tenon('bench', ...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
  });
});
