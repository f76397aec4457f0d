import * as native from '../../lib/native';
import { expectTurns } from '../support/turns';
import { adder, ARENA, INPUT, noScalars, programOf, SCALAR } from './helpers';

const relu = programOf({
  inputs: [8],
  arenaBytes: 8,
  tensors: [
    [INPUT, 0, 'f32', [2]],
    [ARENA, 0, 'f32', [2]],
  ],
  calls: [{ kernel: 'relu', tensors: [0, 1], outputs: 1, attrs: {} }],
  outputs: [1],
});

describe('programs', () => {
  test('run over inputs, arena, buffers and scalars', async () => {
    const buffer = native.allocate(16);
    await native.writeBuffer(buffer, 0, Float32Array.of(10, 20, 30, 40));
    const program = native.createProgram(
      programOf({
        buffers: [buffer],
        inputs: [16],
        scalars: 2,
        arenaBytes: 64,
        tensors: [
          [INPUT, 0, 'f32', [4]],
          [0, 0, 'f32', [4]],
          [ARENA, 0, 'f32', [4]],
          [ARENA, 16, 'f32', []],
          [SCALAR, 8, 'f64', []],
        ],
        calls: [
          { kernel: 'add', tensors: [0, 1, 2], outputs: 1, attrs: {} },
          { kernel: 'from_scalar', tensors: [4, 3], outputs: 1, attrs: {} },
          { kernel: 'relu', tensors: [2, 2], outputs: 1, attrs: {} },
        ],
        outputs: [2, 3],
      }),
    );
    const inputs = [Float32Array.of(1, -21, 3, 4)];
    const { outputs, nonfinite } = await native.runProgram(program, inputs, Float64Array.of(0, 7));
    expect(outputs.map((array) => [...array])).toEqual([[11, 0, 33, 44], [7]]);
    expect(nonfinite).toBe(false);
    const again = native.runProgramSync(program, inputs, Float64Array.of(0, 8));
    expect(again.outputs.map((array) => [...array])).toEqual([[11, 0, 33, 44], [8]]);
    expect(native.profileProgram(program).map((row) => [row.kernel, row.calls])).toEqual([
      ['add', 2],
      ['from_scalar', 2],
      ['relu', 2],
    ]);
  });

  test('run on the reference target in f64', () => {
    const program = native.createProgram(
      programOf({
        target: 'ref',
        inputs: [24],
        arenaBytes: 24,
        tensors: [
          [INPUT, 0, 'f64', [3]],
          [ARENA, 0, 'f64', [3]],
        ],
        calls: [{ kernel: 'exp', tensors: [0, 1], outputs: 1, attrs: {} }],
        outputs: [1],
      }),
    );
    const { outputs } = native.runProgramSync(program, [Float64Array.of(0, 1, -1)], noScalars);
    expect([...(outputs[0] ?? [])]).toEqual([0, 1, -1].map(Math.exp));
  });

  test('are in order with reads and writes of buffers', async () => {
    const counter = native.allocate(4);
    const program = adder(counter, 1, 1);
    const seen: Promise<native.AnyArray>[] = [];
    for (let i = 0; i < 50; i++) {
      void native.runProgram(program, [], noScalars);
      seen.push(native.readBuffer(counter, 0, 'f32', 1));
      if (i === 24) void native.writeBuffer(counter, 0, Float32Array.of(100));
    }
    const values = (await Promise.all(seen)).map((array) => array[0]);
    expect(values).toEqual(Array.from({ length: 50 }, (_, i) => (i < 25 ? i + 1 : 100 + i - 24)));
  });

  test('copy their inputs during the call', async () => {
    const program = native.createProgram(relu);
    const input = Float32Array.of(1, 2);
    const first = native.runProgram(program, [input], noScalars);
    input.fill(9);
    const second = native.runProgram(program, [new Uint8Array(input.buffer)], noScalars);
    expect([...((await first).outputs[0] ?? [])]).toEqual([1, 2]);
    expect([...((await second).outputs[0] ?? [])]).toEqual([9, 9]);
  });

  test('do not write into an input, which a run that the caller waits for reads where it lies', () => {
    const inPlace = { kernel: 'relu', tensors: [0, 0], outputs: 1, attrs: {} };
    const desc = programOf({
      inputs: [8],
      tensors: [[INPUT, 0, 'f32', [2]]],
      calls: [inPlace],
      outputs: [0],
    });
    expect(() => native.createProgram(desc)).toThrow(/call 0 \(relu\): tensor 0: is an input/);
  });

  test('take views of shared memory, and refuse short and detached arrays', () => {
    const program = native.createProgram(relu);
    const shared = new Float32Array(new SharedArrayBuffer(8));
    shared[1] = 3;
    expect([...(native.runProgramSync(program, [shared], noScalars).outputs[0] ?? [])]).toEqual([0, 3]);
    const detached = new Float32Array(2);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(() => native.runProgramSync(program, [detached], noScalars)).toThrow(
      /input 0: expected 8 bytes, got 0/,
    );
    expect(() => native.runProgramSync(program, [new Float32Array(3)], noScalars)).toThrow(
      /expected 8 bytes, got 12/,
    );
    expect(() => native.runProgramSync(program, [], noScalars)).toThrow(/expected 1 arrays/);
    expect(() => native.runProgramSync(program, [shared], new Float64Array(1))).toThrow(
      /scalars: expected 0/,
    );
  });

  test('that predict overtake training, but not the writes before them', async () => {
    const n = 1 << 18;
    const big = native.allocate(4 * n);
    const small = native.allocate(4);
    const training = adder(big, n, 1, { repeat: 5000 });
    const predicting = adder(small, 1, 1, { queue: 'predict' });
    const finished: string[] = [];
    const train = native.runProgram(training, [], noScalars).then(() => finished.push('train'));
    const predict = native.runProgram(predicting, [], noScalars).then(() => finished.push('predict'));
    const write = native.writeBuffer(small, 0, Float32Array.of(100)).then(() => finished.push('write'));
    const after = native.runProgram(predicting, [], noScalars).then((result) => {
      finished.push('after');
      return result.outputs[0]?.[0];
    });
    expect(await after).toBe(101);
    await Promise.all([train, predict, write]);
    expect(finished).toEqual(['predict', 'train', 'write', 'after']);
  });

  test('that are committing are not interrupted', async () => {
    const n = 1 << 18;
    const big = native.allocate(4 * n);
    const small = native.allocate(4);
    const training = adder(big, n, 1, { repeat: 400, commitStart: 0 });
    const predicting = adder(small, 1, 1, { queue: 'predict' });
    const finished: string[] = [];
    const train = native.runProgram(training, [], noScalars).then(() => finished.push('train'));
    while (native.profileProgram(training)[0]?.calls === 0)
      await new Promise((resolve) => setTimeout(resolve, 1));
    const predict = native.runProgram(predicting, [], noScalars).then(() => finished.push('predict'));
    native.cancelProgram(training); // too late: it finishes
    await Promise.all([train, predict]);
    expect(finished).toEqual(['train', 'predict']);
  });

  test('can be cancelled, queued and running', async () => {
    const n = 1 << 18;
    const big = native.allocate(4 * n);
    const program = adder(big, n, 1, { repeat: 20_000 });
    const runs = [1, 2, 3].map(() => native.runProgram(program, [], noScalars));
    while (native.profileProgram(program)[0]?.calls === 0)
      await new Promise((resolve) => setTimeout(resolve, 1));
    native.cancelProgram(program);
    for (const result of await Promise.allSettled(runs)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_TENON_ABORTED' } });
    }
    const [value] = await native.readBuffer(big, 0, 'f32', 1);
    expect(value).toBeLessThan(20_000);
  });

  test('leave the event loop free', async () => {
    const n = 1 << 20;
    const program = adder(native.allocate(4 * n), n, 1, { repeat: 200 });
    await expectTurns(() => native.runProgram(program, [], noScalars));
  });

  test('report faults by the lowest index, and skip their commit', async () => {
    const state = native.allocate(4);
    const program = native.createProgram(
      programOf({
        buffers: [state],
        inputs: [24, 16],
        arenaBytes: 64,
        tensors: [
          [INPUT, 0, 'f32', [3, 2]],
          [INPUT - 1, 0, 'i32', [4]],
          [ARENA, 0, 'f32', [4, 2]],
          [0, 0, 'f32', [1]],
        ],
        calls: [
          { kernel: 'gather_rows', tensors: [0, 1, 2], outputs: 1, attrs: {} },
          { kernel: 'affine', tensors: [3, 3], outputs: 1, attrs: { scale: 1, shift: 1 } },
        ],
        commitStart: 1,
      }),
    );
    const rowsOf = (...index: number[]) => [new Float32Array(6), Int32Array.from(index)];
    await expect(native.runProgram(program, rowsOf(0, 3, -1, 1), noScalars)).rejects.toMatchObject({
      code: 'ERR_TENON_DATA',
      message: expect.stringMatching(/index_out_of_range at element 1/),
    });
    expect((await native.readBuffer(state, 0, 'f32', 1))[0]).toBe(0);
    await native.runProgram(program, rowsOf(0, 2, 1, 1), noScalars);
    expect((await native.readBuffer(state, 0, 'f32', 1))[0]).toBe(1);
  });

  test('skip their commit after finite_guard trips', async () => {
    const state = native.allocate(8);
    const program = native.createProgram(
      programOf({
        buffers: [state],
        inputs: [4],
        tensors: [
          [INPUT, 0, 'f32', []],
          [0, 0, 'i32', [1]],
          [0, 4, 'f32', [1]],
        ],
        calls: [
          { kernel: 'finite_guard', tensors: [1, 0, 1], outputs: 1, attrs: {} },
          { kernel: 'affine', tensors: [2, 2], outputs: 1, attrs: { scale: 1, shift: 1 } },
        ],
        commitStart: 1,
      }),
    );
    const run = (x: number) => native.runProgram(program, [Float32Array.of(x)], noScalars);
    expect((await run(1)).nonfinite).toBe(false);
    expect((await run(NaN)).nonfinite).toBe(true);
    expect((await run(1)).nonfinite).toBe(true);
    expect((await native.readBuffer(state, 4, 'f32', 1))[0]).toBe(1);
  });
});

describe('bad descriptions', () => {
  const good = {
    arenaBytes: 64,
    tensors: [
      [ARENA, 0, 'f32', [4]],
      [ARENA, 16, 'f32', [4]],
    ] as const,
    calls: [{ kernel: 'add', tensors: [0, 1, 0], outputs: 1, attrs: {} }],
  };
  const cases: [string, Parameters<typeof programOf>[0], RegExp][] = [
    [
      'kernel',
      { ...good, calls: [{ kernel: 'nope', tensors: [], outputs: 0, attrs: {} }] },
      /call 0 \(nope\): no such kernel/,
    ],
    [
      'operand',
      { ...good, calls: [{ kernel: 'add', tensors: [0, 1, 2], outputs: 1, attrs: {} }] },
      /call 0 \(add\): tensor 2/,
    ],
    [
      'count',
      { ...good, calls: [{ kernel: 'add', tensors: [0, 1], outputs: 1, attrs: {} }] },
      /call 0 \(add\): /,
    ],
    [
      'attribute that is unknown',
      { ...good, calls: [{ kernel: 'add', tensors: [0, 1, 0], outputs: 1, attrs: { scale: 1 } }] },
      /call 0 \(add\): unknown attribute 'scale', expected none/,
    ],
    [
      'attribute that is missing',
      { ...good, calls: [{ kernel: 'affine', tensors: [0, 1], outputs: 1, attrs: { scale: 1 } }] },
      /call 0 \(affine\): attribute 'shift' is missing/,
    ],
    [
      'attribute with too few numbers',
      {
        ...good,
        calls: [{ kernel: 'random_normal', tensors: [0], outputs: 1, attrs: { key: 1, mean: 0, std: 1 } }],
      },
      /call 0 \(random_normal\): attribute 'key' has 1 numbers, expected 2/,
    ],
    [
      'attribute that prepare refuses',
      {
        ...good,
        calls: [
          { kernel: 'random_normal', tensors: [0], outputs: 1, attrs: { key: [1, 0.5], mean: 0, std: 1 } },
        ],
      },
      /call 0 \(random_normal\): random: keys must be 32-bit words/,
    ],
    ['extent', { ...good, arenaBytes: 31 }, /call 0 \(add\): tensor 1: .* outside its arena of 31 bytes/],
    [
      'offset',
      { ...good, tensors: [good.tensors[0], [ARENA, 2, 'f32', [4]]] },
      /multiple of its element size/,
    ],
    [
      'dims',
      { ...good, tensors: [good.tensors[0], [ARENA, 0, 'f32', [2 ** 40, 2 ** 40]]] },
      /too many elements/,
    ],
    ['negative', { ...good, tensors: [good.tensors[0], [ARENA, 0, 'f32', [-4]]] }, /negative dimension/],
    ['fraction', { ...good, tensors: [good.tensors[0], [ARENA, 0.5, 'f32', [4]]] }, /whole number/],
    ['NaN', { ...good, tensors: [good.tensors[0], [NaN, 0, 'f32', [4]]] }, /whole number/],
    ['place', { ...good, tensors: [good.tensors[0], [0, 0, 'f32', [4]]] }, /no such place: 0/],
    ['input', { ...good, tensors: [good.tensors[0], [INPUT, 0, 'f32', [4]]] }, /no such place: -3/],
    ['scalar', { ...good, tensors: [good.tensors[0], [SCALAR, 0, 'f64', []]] }, /outside its scalar block/],
    ['output', { ...good, outputs: [7] }, /output: tensor 7: no such tensor/],
  ];
  test.each(cases)('%s', (_name, desc, message) => {
    expect(() => native.createProgram(programOf(desc))).toThrow(
      expect.objectContaining({ code: 'ERR_TENON_NATIVE', message: expect.stringMatching(message) }),
    );
  });

  test('attributes are taken in any order, flags as 0 and 1', () => {
    const call = (attrs: native.KernelAttrs) => ({ kernel: 'affine', tensors: [0, 1], outputs: 1, attrs });
    for (const attrs of [
      { scale: 0, shift: true },
      { shift: 1, scale: false },
    ]) {
      const program = native.createProgram(programOf({ ...good, calls: [call(attrs)], outputs: [1] }));
      const { outputs } = native.runProgramSync(program, [], noScalars);
      expect([...(outputs[0] ?? [])]).toEqual([1, 1, 1, 1]);
    }
  });

  test('an arena larger than the machine rejects the run, not the process', async () => {
    const program = native.createProgram(programOf({ ...good, arenaBytes: 2 ** 45 }));
    await expect(native.runProgram(program, [], noScalars)).rejects.toMatchObject({
      code: 'ERR_TENON_MEMORY',
      message: expect.stringMatching(`^out of memory: ${2 ** 45} bytes were asked for`) as string,
    });
    native.disposeProgram(program);
    await native.runProgram(native.createProgram(programOf(good)), [], noScalars);
  });
});
