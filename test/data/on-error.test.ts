import { rm } from 'node:fs/promises';
import sharp from 'sharp';
import * as data from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { Trainer } from '../../lib/train';
import { tenon } from '../cli/support';
import { weightsDigest } from '../train/helpers';
import { failure, tarOf, useTempDir } from './helpers';

const temp = useTempDir();

/** A JPEG of one colour; `value` also decides its size, so that the decoder has something to do. */
function jpeg(value: number): Promise<Buffer> {
  return sharp({
    create: { width: 8, height: 8, channels: 3, background: { r: value, g: 99, b: 255 - value } },
  })
    .jpeg()
    .toBuffer();
}

/** 2 x 10 images, of which cat/00 (the first), cat/04 and dog/07 are damaged. */
async function files(damaged = true): Promise<Record<string, Uint8Array>> {
  const all: Record<string, Uint8Array> = {};
  for (const kind of ['cat', 'dog'])
    for (let i = 0; i < 10; i++) all[`${kind}/0${i}.jpg`] = await jpeg(20 * i + (kind === 'cat' ? 0 : 7));
  if (!damaged) return all;
  all['cat/00.jpg'] = new TextEncoder().encode('no image');
  all['cat/04.jpg'] = all['cat/04.jpg']!.subarray(0, 200);
  all['dog/07.jpg'] = new Uint8Array(0);
  return all;
}

async function write(prefix: string, damaged = true): Promise<string> {
  for (const [name, bytes] of Object.entries(await files(damaged)))
    await temp.file(`${prefix}/${name}`, bytes);
  return temp.path(prefix);
}

test('damaged images are left out and listed; progress is told', async () => {
  const told: [number, number][] = [];
  const dir = await write('a');
  const set = await data.folder({ dir, onError: 'skip', onProgress: (done, of) => told.push([done, of]) });
  expect([set.length, set.classNames, [...set.labels!]]).toEqual([
    17,
    ['cat', 'dog'],
    [...new Array<number>(8).fill(0), ...new Array<number>(9).fill(1)],
  ]);
  expect(set.skipped).toEqual([
    { file: `${dir}/cat/00.jpg`, reason: expect.stringMatching(/^not a readable image: /) },
    { file: `${dir}/cat/04.jpg`, reason: expect.stringMatching(/^not a readable image: /) },
    { file: `${dir}/dog/07.jpg`, reason: expect.stringMatching(/^not a readable image: /) },
  ]);
  expect(told).toEqual([[20, 20]]);
  expect(set.take(3).skipped).toBe(set.skipped);
  expect(set.ensure(Int32Array.from({ length: 17 }, (_, i) => i))).toBeUndefined(); // all is in memory
  expect((await data.folder({ dir: await write('b', false), onError: 'skip' })).skipped).toEqual([]);
  expect((await data.folder({ dir: temp.path('b') })).skipped).toEqual([]);
});

test('training on it is training on a folder without them, to the bit', async () => {
  const digests: string[] = [];
  const whole = await write('whole');
  const clean = await write('clean');
  for (const name of ['cat/00', 'cat/04', 'dog/07']) await rm(`${clean}/${name}.jpg`);
  for (const dir of [whole, clean]) {
    const set = await data.folder({ dir, imageSize: 4, onError: dir === whole ? 'skip' : 'throw' });
    const trainer = new Trainer(nn.sequential(nn.flatten(), nn.linear(48, 2)), {
      loss: crossEntropy(),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    await trainer.fit(set, { epochs: 2, batchSize: 4 });
    digests.push(await weightsDigest(trainer.model));
  }
  expect(digests[0]).toBe(digests[1]);
});

test('an archive as well', async () => {
  await temp.file('train.tar', await tarOf(await files()));
  const set = await data.folder({ dir: temp.path(), split: 'train', onError: 'skip', imageSize: 4 });
  expect([set.length, set.skipped.map(({ file }) => file.split(':')[1])]).toEqual([
    17,
    ['cat/00.jpg', 'cat/04.jpg', 'dog/07.jpg'],
  ]);
});

test('what is not a damaged image stays an error', async () => {
  const dir = await write('a');
  await temp.file(
    'a/dog/08.jpg',
    await sharp(await jpeg(1))
      .resize(5, 5)
      .toBuffer(),
  );
  const error = await failure(() => data.folder({ dir, onError: 'skip' }));
  expect([error.code, error.message]).toEqual([
    'ERR_TENON_DATA',
    expect.stringContaining('dog/08.jpg is 5x5'),
  ]);
  for (const i of [0, 1]) await temp.file(`bad/cat/${i}.jpg`, 'text');
  for (const imageSize of [undefined, 4])
    expect(
      (await failure(() => data.folder({ dir: temp.path('bad'), onError: 'skip', imageSize }))).code,
    ).toBe('ERR_TENON_DATA');
  const code = 'ERR_TENON_OPTION';
  expect((await failure(() => data.folder({ dir, onError: 'ignore' as never }))).code).toBe(code);
  expect((await failure(() => data.folder({ dir, onProgress: () => undefined }))).code).toBe(code);
  expect((await failure(() => data.folder({ dir, signal: 5 as never }))).code).toBe(code);
  const gone = AbortSignal.abort('gone');
  expect((await failure(() => data.folder({ dir, onError: 'skip', signal: gone }))).code).toBe(
    'ERR_TENON_ABORTED',
  );
});

test('a signal ends the reading', async () => {
  const bytes = await jpeg(5);
  for (let i = 0; i < 130; i++) await temp.file(`many/cat/${i}.jpg`, bytes);
  const controller = new AbortController();
  const told: number[] = [];
  const opening = data.folder({
    dir: temp.path('many'),
    onError: 'skip',
    signal: controller.signal,
    onProgress: (done) => {
      told.push(done);
      controller.abort('enough');
    },
  });
  await expect(opening).rejects.toMatchObject({ code: 'ERR_TENON_ABORTED', cause: 'enough' });
  expect(told).toEqual([64]);
});

test('the command line: --on-error skip says what it skipped, and resumes', async () => {
  await write('photos/train');
  await write('photos/test');
  const from = ['--dataset', 'folder', '--data', temp.path('photos')];
  const model = ['--model', 'mlp', '--validation', 0, '--out', temp.path('run')];
  const thrown = await tenon('train', ...from, ...model, '--epochs', 1, '--image-size', 4);
  expect([thrown.code, thrown.err]).toEqual([
    1,
    expect.stringMatching(/not a readable image.* \(--on-error "skip" leaves damaged images out\)$/m),
  ]);
  const run = ['--epochs', 1, '--image-size', 4, '--on-error', 'skip', '--json'];
  const { code, lines, err } = await tenon('train', ...from, ...model, ...run);
  expect(code).toBe(0);
  expect(lines[0]).toMatchObject({ event: 'start', onError: 'skip', trainImages: 17, testImages: 17 });
  expect(lines[0]!.skipped).toHaveLength(6);
  expect(err).toMatch(
    /skipped 3 damaged images of train: .*cat\/00.jpg \(not a readable image.*\n.* of test: /,
  );
  const own = await tenon(
    'train',
    ...from,
    '--model',
    'mlp',
    '--epochs',
    1,
    '--on-error',
    'skip',
    '--out',
    temp.path('own'),
  );
  expect(own.code).toBe(0); // the first image, which tells the size, is damaged
  expect((await tenon('train', '--resume', temp.path('run'), '--epochs', 2)).code).toBe(0);
  const file = ['--model-file', temp.path('run/model.safetensors')];
  expect((await tenon('evaluate', ...file, ...from)).code).toBe(1);
  const evaluated = await tenon('evaluate', ...file, ...from, '--on-error', 'skip', '--json');
  expect([evaluated.code, evaluated.lines.at(-1)!.images]).toEqual([0, 17]);
  expect((await tenon('train', '--on-error', 'skip')).err).toContain(
    '--on-error belongs to --dataset folder',
  );
});
