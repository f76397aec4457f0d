import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import * as data from '../../lib/data';
import * as nn from '../../lib/nn';
import { crossEntropy } from '../../lib/losses';
import * as optim from '../../lib/optim';
import { Trainer } from '../../lib/train';
import { tenon } from '../cli/support';
import { failure, sample, useTempDir } from './helpers';
import { readFolder } from '../../lib/data/folder';

const temp = useTempDir();
const form = { height: 4, width: 6, channels: 3, mean: [0, 0, 0], std: [1, 1, 1] };

/** A JPEG of 20 x 9 pixels with a picture in it. */
function jpeg(): Promise<Buffer> {
  const pixels = Buffer.from(Array.from({ length: 20 * 9 * 3 }, (_, i) => (i * i * 7) % 256));
  return sharp(pixels, { raw: { width: 20, height: 9, channels: 3 } })
    .jpeg()
    .toBuffer();
}

test.each([undefined, 'cover', 'contain', 'stretch'] as const)(
  'decodes by the rule %s as a folder does, from bytes and from a path',
  async (resize) => {
    const path = await temp.file('a/1.jpg', await jpeg());
    const settings = { ...form, ...(resize && { resize }) };
    const source = await readFolder({ dir: temp.path(), imageSize: [4, 6], ...(resize && { resize }) });
    const expected = await sample(source, 0);
    const model = nn.flatten();
    model.preprocessing = settings;
    expect(await data.decode(path, model)).toEqual(expected);
    expect(await data.decode(readFileSync(path), settings)).toEqual(expected);
  },
);

test('the bytes are taken at the call', async () => {
  const bytes = new Uint8Array(await jpeg());
  const expected = await data.decode(bytes, form);
  const pending = data.decode(bytes, form);
  bytes.fill(0);
  expect(await pending).toEqual(expected);
});

test('one file: tenon predict, decode with predict, and evaluate agree', async () => {
  for (const kind of ['cat', 'dog']) await temp.file(`all/${kind}/1.jpg`, await jpeg());
  const file = temp.path('all/cat/1.jpg');
  const train = await data.folder({ dir: temp.path('all'), imageSize: 8, resize: 'contain' });
  const model = nn.sequential(nn.flatten(), nn.linear(192, 2));
  const trainer = new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) });
  await trainer.fit(train, { epochs: 1 });
  const [cat] = await model.predict(await data.decode(file, model));
  await model.save(temp.path('m.safetensors'));
  const { lines } = await tenon(
    'predict',
    '--model-file',
    temp.path('m.safetensors'),
    file,
    '--top',
    2,
    '--json',
  );
  expect(lines[0]!.top).toContainEqual({ class: 'cat', probability: cat });
  const { loss } = await trainer.evaluate(train.take(1));
  expect(Math.exp(-loss)).toBeCloseTo(cat!, 6);
});

test('what cannot be decoded is refused by name', async () => {
  const image = await jpeg();
  const refused = async (call: () => unknown): Promise<unknown[]> => {
    const { code, message } = await failure(call);
    return [code, message];
  };
  const text = new TextEncoder().encode('no image');
  expect(await refused(() => data.decode(text, form))).toEqual([
    'ERR_TENON_FORMAT',
    expect.stringContaining('decode: the image: not a readable image'),
  ]);
  expect((await failure(() => data.decode(image.subarray(0, 200), form))).code).toBe('ERR_TENON_FORMAT');
  const none = temp.path('none.jpg');
  expect(await refused(() => data.decode(none, form))).toEqual([
    'ERR_TENON_DATA',
    expect.stringContaining('none.jpg does not exist'),
  ]);
  expect((await failure(() => data.decode(new Float32Array(3) as never, form))).code).toBe('ERR_TENON_DTYPE');
  expect((await failure(() => data.decode('', form))).code).toBe('ERR_TENON_OPTION');
  expect(await refused(() => data.decode(image, nn.flatten()))).toEqual([
    'ERR_TENON_OPTION',
    expect.stringContaining('the model has no preprocessing'),
  ]);
  expect(
    await refused(() => data.decode(image, { ...form, channels: 2, mean: [0, 0], std: [1, 1] })),
  ).toEqual([
    'ERR_TENON_OPTION',
    expect.stringContaining('image files have 1 or 3 channels, the model takes 2'),
  ]);
  expect((await failure(() => data.decode(image, undefined as never))).code).toBe('ERR_TENON_OPTION');
});

test('limits hold for small images too', async () => {
  const image = await jpeg();
  const decoded = await data.decode(image, form);
  expect(await data.decode(image, form, { maxPixels: 180 })).toEqual(decoded);
  const { code, message } = await failure(() => data.decode(image, form, { maxPixels: 179 }));
  expect([code, message]).toEqual([
    'ERR_TENON_FORMAT',
    'decode: the image: 9x20 pixels, more than 179 (option maxPixels)',
  ]);
});

test('a signal drops images that wait to be decoded', async () => {
  const image = await jpeg();
  const leaving = new AbortController();
  const decode = (signal?: AbortSignal): Promise<Uint8Array> =>
    data.decode(image, form, { ...(signal && { signal }) });
  const expected = await decode();
  const gone = Array.from({ length: 50 }, () => decode(leaving.signal));
  const kept = decode();
  const reason = new Error('left');
  leaving.abort(reason);
  for (const { status, ...rest } of await Promise.allSettled(gone)) {
    expect(status).toBe('rejected');
    expect(rest).toMatchObject({ reason: { code: 'ERR_TENON_ABORTED', cause: reason } });
  }
  expect(await kept).toEqual(expected);
  expect((await failure(() => decode(leaving.signal))).code).toBe('ERR_TENON_ABORTED');
  expect((await failure(() => decode(5 as never))).code).toBe('ERR_TENON_OPTION');
});
