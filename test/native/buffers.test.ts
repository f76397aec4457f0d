import * as native from '../../lib/native';
import { noScalars } from './helpers';

describe('buffers', () => {
  test('start as zeros and give back what was written', async () => {
    const buffer = native.allocate(64);
    expect(buffer.byteLength).toBe(64);
    expect([...(await native.readBuffer(buffer, 0, 'f32', 16))]).toEqual(new Array(16).fill(0));
    await native.writeBuffer(buffer, 8, Int32Array.of(-1, 2));
    expect([...native.readBufferSync(buffer, 8, 'i32', 2)]).toEqual([-1, 2]);
    native.writeBufferSync(buffer, 16, Float64Array.of(0.1));
    expect(native.readBufferSync(buffer, 16, 'f64', 1)[0]).toBe(0.1);
    native.fillBufferNow(buffer, 63, Uint8Array.of(7));
    expect(native.readBufferSync(buffer, 63, 'u8', 1)[0]).toBe(7);
  });

  test.each([
    ['f32', 'Float32Array'],
    ['bf16', 'Uint16Array'],
    ['f64', 'Float64Array'],
    ['u8', 'Uint8Array'],
    ['i32', 'Int32Array'],
  ] as const)('read %s as %s', (dtype, name) => {
    const array = native.readBufferSync(native.allocate(16), 0, dtype, 2);
    expect(array.constructor.name).toBe(name);
    expect(array.length).toBe(2);
  });

  test('of no bytes work', async () => {
    const buffer = native.allocate(0);
    await native.writeBuffer(buffer, 0, new Float32Array(0));
    expect((await native.readBuffer(buffer, 0, 'f32', 0)).length).toBe(0);
  });

  test('copy small arrays during the call', async () => {
    const buffer = native.allocate(4);
    const data = Float32Array.of(1);
    const written = native.writeBuffer(buffer, 0, data);
    data[0] = 2;
    await written;
    expect(native.readBufferSync(buffer, 0, 'f32', 1)[0]).toBe(1);
  });

  test('copy large arrays in slices, with turns between', async () => {
    const data = Float32Array.from({ length: 2_000_000 }, (_, i) => i);
    const buffer = native.allocate(data.byteLength + 4);
    let turns = 0;
    const count = () => {
      turns++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    await native.writeBuffer(buffer, 4, data);
    clearImmediate(timer);
    expect(turns).toBeGreaterThan(2);
    const back = await native.readBuffer(buffer, 4, 'f32', data.length);
    expect(Buffer.compare(Buffer.from(back.buffer), Buffer.from(data.buffer))).toBe(0);
  });

  test('notice an array that is detached meanwhile', async () => {
    const data = new Float32Array(2_000_000);
    const buffer = native.allocate(data.byteLength);
    const written = native.writeBuffer(buffer, 0, data);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    await expect(written).rejects.toMatchObject({ code: 'ERR_TENON_DATA' });
  });

  test('count their bytes', () => {
    const before = native.info().memory.buffers;
    const buffer = native.allocate(1 << 20);
    expect(native.info().memory.buffers).toBe(before + (1 << 20));
    native.disposeBuffer(buffer);
    native.disposeBuffer(buffer);
    expect(native.info().memory.buffers).toBe(before);
    expect(() => native.readBufferSync(buffer, 0, 'f32', 1)).toThrow(
      expect.objectContaining({ code: 'ERR_TENON_DISPOSED' }),
    );
  });

  test('of more bytes than there are throw', () => {
    for (const bytes of [2 ** 46, 2 ** 53 - 1]) {
      expect(() => native.allocate(bytes)).toThrow(
        expect.objectContaining({
          name: 'OutOfMemoryError',
          code: 'ERR_TENON_MEMORY',
          message: expect.stringMatching(
            `^out of memory: ${bytes} bytes .* this process may have \\d+, of which`,
          ),
        }),
      );
    }
  });

  // 4 GB of zeros that nobody touches; V8 would end the process.
  test('of more elements than a typed array holds are not read as one', () => {
    const most = 2 ** 32;
    const buffer = native.allocate(most + 1);
    expect(() => native.readBufferSync(buffer, 0, 'u8', most + 1)).toThrow(
      expect.objectContaining({ code: 'ERR_TENON_NATIVE', message: expect.stringMatching(/typed array/) }),
    );
    native.disposeBuffer(buffer);
  });

  test('refuse ranges outside', async () => {
    const buffer = native.allocate(16);
    const one = Float32Array.of(1);
    for (const offset of [-1, 0.5, NaN, Infinity, 13, 16, 2 ** 53 - 1, 2 ** 60]) {
      expect(() => native.writeBufferSync(buffer, offset, one)).toThrow();
      expect(() => native.readBufferSync(buffer, offset, 'f32', 1)).toThrow();
      expect(() => native.fillBufferNow(buffer, offset, new Uint8Array(4))).toThrow();
      await expect(native.writeBuffer(buffer, offset, one)).rejects.toThrow();
      await expect(native.readBuffer(buffer, offset, 'f32', 1)).rejects.toThrow();
    }
    for (const count of [-1, 5, 2 ** 53 - 1, NaN]) {
      expect(() => native.readBufferSync(buffer, 0, 'f32', count)).toThrow();
    }
  });
});

describe('handles', () => {
  test('of the wrong kind are type errors', () => {
    const wrong = [
      undefined,
      null,
      1,
      'x',
      {},
      [],
      Symbol('s'),
      1n,
      () => 0,
      new Proxy({}, {}),
      new Uint8Array(4),
    ];
    for (const value of [...wrong, new Proxy(native.allocate(4), {})]) {
      const calls = [
        () => native.readBufferSync(value as native.NativeBuffer, 0, 'f32', 1),
        () => native.disposeBuffer(value as native.NativeBuffer),
        () => native.runProgramSync(value as native.ProgramHandle, [], noScalars),
        () => native.cancelProgram(value as native.ProgramHandle),
      ];
      for (const call of calls) expect(call).toThrow(expect.objectContaining({ name: 'TypeError' }));
    }
    expect(() => native.disposeProgram(native.allocate(4) as unknown as native.ProgramHandle)).toThrow(
      /a tenon program/,
    );
  });
});
