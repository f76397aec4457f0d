/** Commands that average over the noise of training. */
import { join } from 'node:path';
import sharp from 'sharp';
import * as data from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import { evaluate } from '../../lib/train';
import { tenon, temporaryDirectory } from './support';

const dir = temporaryDirectory();
const file = join(dir, 'model.safetensors');
const sampling = { samples: 3, seed: 4 };
const flags = ['--model-file', file, '--samples', '3', '--seed', '4', '--json'];
let model: nn.Module;

beforeAll(async () => {
  model = nn.sequential(nn.flatten(), nn.dropout(0.5), nn.linear(784, 10)).initialize({ seed: 1 });
  model.preprocessing = { height: 28, width: 28, channels: 1, mean: [0.5], std: [0.5] };
  await model.save(file);
});

it('tenon evaluate', async () => {
  const { test } = await data.glyphs();
  const expected = await evaluate(model, test, { loss: crossEntropy(), ...sampling });
  const { lines } = await tenon('evaluate', '--dataset', 'glyphs', ...flags);
  expect(lines.at(-1)).toMatchObject({ event: 'done', ...expected });
});

it('tenon predict', async () => {
  const pixels = Buffer.from(Array.from({ length: 784 }, (_, i) => (i * 7) % 256));
  const image = join(dir, 'image.png');
  await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toFile(image);
  const probabilities = Array.from(await model.predict(Uint8Array.from(pixels), sampling));
  const { lines } = await tenon('predict', ...flags, image);
  expect(lines[0]).toMatchObject({ probability: Math.max(...probabilities) });
  const refused = await tenon('predict', '--model-file', file, '--seed', '4', image);
  expect(refused.code).not.toBe(0);
  expect(refused.err).toContain('seed is for samples');
});
