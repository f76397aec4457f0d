/** Fixup: blocks that start as their shortcut, and a net of 110 layers that trains without normalization. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OptionError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { symmetric } from '../fixtures/numbers';

test('a block starts as relu of its shortcut', () => {
  const x = tensor(symmetric(2 * 3 * 16, 1, 2), [2, 3, 4, 4]);
  const same = nn.fixupBlock(3, 3, { blocks: 9 }).initialize({ seed: 1 });
  expect([...same.forward(x).dataSync()]).toEqual([...ops.relu(x).dataSync()]);
  const wider = nn.fixupBlock(3, 5, { blocks: 9, stride: 2 }).initialize({ seed: 1 });
  const y = wider.forward(x);
  expect(y.shape).toEqual([2, 5, 2, 2]);
  const [from, to] = [x.dataSync(), y.dataSync()];
  for (let n = 0; n < 2; n++)
    for (let c = 0; c < 5; c++)
      for (let i = 0; i < 4; i++) {
        const source = c < 3 ? from[(n * 3 + c) * 16 + 8 * Math.floor(i / 2) + 2 * (i % 2)]! : 0;
        expect(to[(n * 5 + c) * 4 + i]).toBe(Math.max(0, source));
      }
});

test('its first convolution is scaled by the number of blocks, its parameters are named as the authors have them', () => {
  const block = nn.fixupBlock(64, 64, { blocks: 16 }).initialize({ seed: 1 });
  const w = [...block.conv1.weight.dataSync()];
  const std = Math.sqrt(w.reduce((a, v) => a + v * v, 0) / w.length);
  expect(std / (Math.sqrt(2 / (64 * 9)) / 4)).toBeCloseTo(1, 1);
  expect([...block.namedParameters().keys()].sort()).toEqual(
    ['bias1a', 'bias1b', 'bias2a', 'bias2b', 'conv1.weight', 'conv2.weight', 'scale'].sort(),
  );
  expect(() => nn.fixupBlock(4, 2, { blocks: 1 })).toThrow(OptionError);
  expect(() => nn.fixupBlock(4, 4, {} as { blocks: number })).toThrow('blocks must be a positive integer');
  expect(() => models.fixupResnet({ depth: 21 })).toThrow('depth must be 6 n + 2');
});

test('a block comes back from a file', async () => {
  const net = nn
    .sequential(nn.fixupBlock(3, 5, { blocks: 9, stride: 2 }))
    .initialize({ seed: 1, weights: 'heNormal' });
  const folder = mkdtempSync(join(tmpdir(), 'tenon-'));
  await net.save(join(folder, 'net.safetensors'));
  const other = await nn.load(join(folder, 'net.safetensors'));
  rmSync(folder, { recursive: true });
  const x = tensor(symmetric(2 * 3 * 16, 1, 2), [2, 3, 4, 4]);
  expect([...other.forward(x).dataSync()]).toEqual([...net.forward(x).dataSync()]);
});

test('110 layers train without normalization', async () => {
  const net = models.fixupResnet({ seed: 1 });
  const weights = [...net.namedParameters()].filter(([, p]) => p.rank > 1);
  expect(weights).toHaveLength(110);
  const optimizer = optim.sgd({ lr: 0.02, momentum: 0.9, groups: [{ match: /bias|scale/, lr: 0.002 }] });
  const x = tensor(symmetric(8 * 3 * 16, 1, 1.7), [8, 3, 4, 4]);
  const labels = tensor(Int32Array.from({ length: 8 }, (_, i) => i));
  const step = compile((t: Tensor, y: Tensor) => {
    const loss = ops.mean(ops.crossEntropy(net.forward(t), y));
    optimizer.update(grad(loss));
    return loss;
  });
  const losses: number[] = [];
  for (let i = 0; i < 40; i++) losses.push(await (await step(x, labels)).item());
  expect(losses[0]).toBeCloseTo(Math.log(10), 5);
  expect(losses.at(-1)!).toBeLessThan(0.5 * losses[0]!);
});
