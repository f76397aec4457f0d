import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, nn, ops, tensor, type Tensor } from '../../lib';
import { assign } from '../../lib/graph/trace';
import { readSafetensors } from '../../lib/nn/files/model-file';

const folder = mkdtempSync(join(tmpdir(), 'tenon-tensor-file-'));
const file = join(folder, 'model.safetensors');
afterAll(() => rmSync(folder, { recursive: true }));

/** Large enough for pieces: 5.2 million numbers, some of them in another order in memory. */
function large(): nn.Module {
  return nn.sequential(nn.conv2d(600, 700, { kernel: 3 }), nn.flatten(), nn.linear(700, 2000));
}

test('a large model is written in pieces, with the bytes of one that is written at once', async () => {
  const model = large();
  await model.save(file);
  expect(readFileSync(file).equals(await model.toBuffer())).toBe(true);
});

test('a file holds one moment, also while programs change what is saved', async () => {
  const model = large();
  model.initialize();
  const parameters = model.parameters();
  const step = compile((value: Tensor) => {
    for (const p of parameters) assign(p, ops.broadcastTo(value, p.shape));
    return {};
  });
  await step(tensor([0]));
  const saving = model.save(file);
  for (let i = 1; i <= 20; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await step(tensor([i]));
  }
  await saving;
  const { tensors } = await readSafetensors(file);
  const values = [...tensors.values()].map(({ bytes }) => new Float32Array(new Uint8Array(bytes).buffer));
  const moment = values[0]![0]!;
  expect(moment).toBeLessThanOrEqual(20);
  for (const numbers of values) expect(numbers.every((n) => n === moment)).toBe(true);
  expect(readdirSync(folder)).toEqual(['model.safetensors']);
});

test('what ends while it is written leaves the old file', async () => {
  const model = large();
  await model.save(file);
  const before = readFileSync(file);
  const saving = model.save(file);
  model.dispose();
  await expect(saving).rejects.toMatchObject({ code: 'ERR_TENON_DISPOSED' });
  expect(readFileSync(file).equals(before)).toBe(true);
  expect(readdirSync(folder)).toEqual(['model.safetensors']);
});
