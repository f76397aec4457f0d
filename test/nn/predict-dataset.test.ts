/** A model's outputs for a data set: those for its rows, read back as arrays. */
import sharp from 'sharp';
import * as data from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import * as preprocess from '../../lib/preprocess';
import { Trainer } from '../../lib/train';
import { useTempDir } from '../data/helpers';

const temp = useTempDir();
const preprocessing = { height: 4, width: 4, channels: 3, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] };

function model(): nn.Module {
  const net = nn.sequential(
    nn.conv2d(3, 4, { kernel: 3 }),
    nn.batchNorm2d(4),
    nn.flatten(),
    nn.linear(16, 2),
  );
  net.preprocessing = preprocessing;
  return net.initialize({ seed: 2 });
}

/** A folder of so many JPEGs of different sizes. */
async function folder(count: number): Promise<string> {
  for (let i = 0; i < count; i++) {
    const [width, height] = [5 + (i % 7), 4 + (i % 5)];
    const pixels = Uint8Array.from({ length: width * height * 3 }, (_, at) => (at * at * (i + 3)) % 256);
    const image = sharp(pixels, { raw: { width, height, channels: 3 } }).jpeg();
    await temp.file(`${i % 2 === 0 ? 'cat' : 'dog'}/${i}.jpg`, await image.toBuffer());
  }
  return temp.path();
}

test('a folder that is not decoded yet, batch by batch, and views of it', async () => {
  const set = await data.folder({ dir: await folder(23), imageSize: 4 });
  const net = model();
  expect(() => net.predictSync(set)).toThrow('are not decoded yet');
  const all = await net.predict(set, { batchSize: 4 });
  const { inputs } = await set.rows();
  expect([...all]).toEqual([...(await net.predict(inputs))]);
  expect([...net.predictSync(set)]).toEqual([...all]);
  expect(await net.predict(set, { output: 'logits' })).toEqual(
    await net.predict(inputs, { output: 'logits' }),
  );
  const some = set.subset([20, 3]);
  expect([...(await net.predict(some))]).toEqual([...all.slice(40, 42), ...all.slice(6, 8)]);
  expect(net.training).toBe(true);
});

test('what it says of each file is what decode and predict say, and evaluate averages', async () => {
  const set = await data.folder({ dir: await folder(9), imageSize: 4, resize: 'contain' });
  const net = model();
  const trainer = new Trainer(net, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.01 }) });
  await trainer.fit(set, { epochs: 1 });
  const all = await trainer.predict(set);
  let loss = 0;
  for (let i = 0; i < set.length; i++) {
    const one = await net.predict(await data.decode(set.file(i)!, net));
    one.forEach((p, c) => expect(p).toBeCloseTo(all[2 * i + c]!, 6));
    loss -= Math.log(one[set.label(i)]!) / set.length;
  }
  expect((await trainer.evaluate(set)).loss).toBeCloseTo(loss, 5);
});

test('features, with and without an inputTransform', async () => {
  const inputs = Float32Array.from({ length: 10 * 3 }, (_, i) => Math.sin(i));
  const set = await data.fromFeatures({ inputs, shape: [3], targets: inputs.slice(0, 10), targetShape: [1] });
  const net = nn.linear(3, 2).initialize({ seed: 1 });
  expect([...(await net.predict(set, { batchSize: 3 }))]).toEqual([
    ...(await net.predict(inputs, { shape: [3] })),
  ]);
  const before = await net.predict(set);
  net.inputTransform = await preprocess.standardize().fit(set);
  expect(await net.predict(set)).toEqual(await net.predict(inputs));
  expect(await net.predict(set)).not.toEqual(before);
});

test('bad input, damaged images and abortion', async () => {
  const net = model();
  const dir = await folder(6);
  const set = await data.folder({ dir, imageSize: 4 });
  const refused = async (work: Promise<unknown>, code: string, message: string): Promise<void> =>
    expect(work).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  const other = await data.folder({ dir, imageSize: [3, 4] });
  await refused(
    net.predict(other),
    'ERR_TENON_SHAPE',
    'takes images of [3, 4, 4], the data set has [3, 3, 4]',
  );
  await refused(net.predict(set, { shape: [3, 4, 4] }), 'ERR_TENON_OPTION', 'shape is for floats');
  await refused(
    net.predict(set, { signal: AbortSignal.abort('gone') }),
    'ERR_TENON_ABORTED',
    'predict: aborted',
  );
  const controller = new AbortController();
  const pending = net.predict(set, { signal: controller.signal });
  controller.abort('enough');
  await refused(pending, 'ERR_TENON_ABORTED', 'predict: aborted');
  await temp.file('dog/1.jpg', 'text');
  await refused(net.predict(await data.folder({ dir, imageSize: 4 })), 'ERR_TENON_FORMAT', '1.jpg');
  net.preprocessing = undefined;
  await refused(net.predict(set), 'ERR_TENON_OPTION', 'raw images need model.preprocessing');
  const features = await data.fromFeatures({ inputs: [1, 2], shape: [2], targets: [0] });
  await refused(net.predict(features), 'ERR_TENON_SHAPE', "conv2d '0'");
  await refused(net.predict(features, { shape: [2] }), 'ERR_TENON_OPTION', 'a data set has its own');
});
