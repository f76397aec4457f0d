/** Training on parts of images, from the command line. */
import { join } from 'node:path';
import { temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();

it('a model that is trained on crops is as large as these, and is tested on the centres', async () => {
  const out = join(dir, 'run');
  const how = ['--dataset', 'glyphs', '--model', 'mlp', '--epochs', 1, '--augment', 'randomCrop(20)'];
  const { code, err, lines } = await tenon('train', ...how, '--out', out, '--json');
  expect([code, err]).toEqual([0, '']);
  const done = lines.find(({ event }) => event === 'done')!;
  expect(done['testAccuracy']).toBeGreaterThan(0.3);
  const evaluated = await tenon(
    'evaluate',
    '--model-file',
    join(out, 'model.safetensors'),
    '--dataset',
    'glyphs',
    '--json',
  );
  expect([evaluated.code, evaluated.err]).toEqual([0, '']);
  const result = evaluated.lines.find((line) => 'accuracy' in line)!;
  expect(result).toMatchObject({ accuracy: done['testAccuracy'], loss: done['testLoss'] });
});
