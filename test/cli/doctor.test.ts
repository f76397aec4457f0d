import { tenon } from './support';

describe('tenon doctor', () => {
  it('tells processor, instruction set, threads, build and memory, and why', async () => {
    const { code, out } = await tenon('doctor');
    for (const name of ['tenon', 'processor', 'instructions', 'threads', 'build', 'memory', 'node', 'images'])
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
        compiler: expect.any(String),
        images: { ok: true, problem: null },
      }),
    ]);
  });
});
