import { rmSync } from 'node:fs';
import * as data from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import { lenet } from '../../lib/models';
import { info, setThreads } from '../../lib/native';
import * as optim from '../../lib/optim';
import { checkpoint, Trainer } from '../../lib/train';
import { failure, smallNet, smallTrainer, someGlyphs, temporaryDirectory, weightsDigest } from './helpers';

describe('training in bf16', () => {
  test('reaches the accuracy of fp32', async () => {
    const { train, test: held } = await data.glyphs({ trainCount: 3000, testCount: 600 });
    const accuracy = async (precision: 'fp32' | 'bf16'): Promise<number> => {
      const trainer = new Trainer(lenet(), {
        loss: crossEntropy(),
        optimizer: optim.adam({ lr: 1e-3 }),
        precision,
      });
      await trainer.fit(train, { epochs: 4, batchSize: 64 });
      return (await trainer.evaluate(held)).accuracy!;
    };
    const [wide, narrow] = [await accuracy('fp32'), await accuracy('bf16')];
    expect(wide).toBeGreaterThan(0.9);
    expect(narrow).toBeGreaterThan(wide - 0.01);
  }, 240_000);

  test('gives the same bits with 1, 2 and 3 threads, other ones than fp32', async () => {
    const before = info().threads;
    const digest = async (threads: number, precision: 'fp32' | 'bf16' = 'bf16'): Promise<string> => {
      setThreads(threads);
      const trainer = smallTrainer(smallNet(), { precision });
      await trainer.fit(await someGlyphs(), { epochs: 2 });
      return weightsDigest(trainer.model);
    };
    const one = await digest(1);
    expect(await digest(2)).toBe(one);
    expect(await digest(3)).toBe(one);
    expect(await digest(1, 'fp32')).not.toBe(one);
    setThreads(before);
  });

  test('is resumed in bf16 with the same bits, and in no other precision', async () => {
    const dir = temporaryDirectory();
    const make = (precision: 'fp32' | 'bf16'): Trainer => smallTrainer(smallNet(), { precision });
    const whole = make('bf16');
    await whole.fit(await someGlyphs(), { epochs: 3 });
    await make('bf16').fit(await someGlyphs(), { epochs: 3, maxSteps: 14, callbacks: [checkpoint(dir)] });
    const wrong = await failure(async () => make('fp32').fit(await someGlyphs(), { epochs: 3, resume: dir }));
    expect(wrong).toMatchObject({ code: 'ERR_TENON_OPTION' });
    expect(wrong.message).toContain('was trained with precision bf16, the trainer has fp32');
    const resumed = make('bf16');
    await resumed.fit(await someGlyphs(), { epochs: 3, resume: dir });
    expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(whole.model));
    rmSync(dir, { recursive: true });
  });

  test('predictions can be made in either precision', async () => {
    const model = lenet().initialize({ seed: 1 });
    const images = Float32Array.from({ length: 3 * 784 }, (_, i) => Math.sin(i));
    const options = { shape: [1, 28, 28] };
    const wide = await model.predict(images, options);
    const narrow = await model.predict(images, { ...options, precision: 'bf16' });
    narrow.forEach((p, i) => expect(Math.abs(p - wide[i]!)).toBeLessThan(0.02));
    expect(narrow).not.toEqual(wide);
    expect(await model.predict(images, options)).toEqual(wide);
    await expect(async () =>
      model.predict(images, { ...options, precision: 'int8' as never }),
    ).rejects.toThrow('precision must be one of');
  });

  test('info says which path computes it, and why', () => {
    const { path, reason } = info().bf16;
    expect(['amx', 'avx512bf16', 'emulated']).toContain(path);
    expect(reason).not.toBe('');
  });
});
