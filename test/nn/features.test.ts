/** Features at stages of a model: recorded, predicted, as a data set. */
import { fromArrays, fromFeatures, type Dataset } from '../../lib/data';
import { DataError, OptionError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { crossEntropy } from '../../lib/losses';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import * as preprocess from '../../lib/preprocess';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { Trainer } from '../../lib/train';
import { uniform } from '../fixtures/numbers';

class Flatten extends nn.Module {
  forward(x: Tensor): Tensor {
    return ops.reshape(x, [x.size]);
  }
}

/** Returns one number for each of the inputs' numbers. */
class Flat extends nn.Module {
  part = new Flatten();
  unused = nn.relu();
  forward(x: Tensor): Tensor {
    return this.part.forward(x);
  }
}

const preprocessing = { height: 8, width: 8, channels: 3, mean: [0.5, 0.4, 0.3], std: [0.2, 0.25, 0.3] };
const bytes = Uint8Array.from({ length: 5 * 192 }, (_, i) => (i * 37 + (i >> 3)) % 256);

function net(): nn.NamedSequential {
  const model = nn.namedSequential({
    conv: nn.conv2d(3, 6, { kernel: 3, bias: false }),
    norm: nn.batchNorm2d(6),
    block: nn.sequential(nn.relu(), nn.conv2d(6, 4, { kernel: 3, stride: 2 })),
    pool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    drop: nn.dropout(0.5),
    fc: nn.linear(4, 3),
  });
  model.preprocessing = preprocessing;
  return model.initialize({ seed: 3 });
}

/** The stages from the first to `last` as a model of their own: what the features must be. */
function upTo(model: nn.NamedSequential, last: string): nn.NamedSequential {
  const names = Object.keys(model.stages);
  const part = Object.fromEntries(Object.entries(model.stages).slice(0, names.indexOf(last) + 1));
  const cut = nn.namedSequential(part);
  cut.preprocessing = model.preprocessing;
  if (model.inputTransform !== undefined) cut.inputTransform = model.inputTransform;
  return cut;
}

const expected = (model: nn.NamedSequential, last: string): Promise<Float32Array> =>
  upTo(model, last).predict(bytes, { output: 'logits' });

describe('predict at a stage', () => {
  test.each(['conv', 'norm', 'block', 'flatten', 'fc'])(
    '%s is what the model up to there returns',
    async (at) => {
      const model = net();
      const [features, whole] = [await model.predict(bytes, { at }), await expected(model, at)];
      expect(features).toHaveLength(whole.length);
      // Another program may fold batch norm, or not.
      features.forEach((value, i) => expect(value).toBeCloseTo(whole[i]!, 5));
      expect([...model.predictSync(bytes, { at, batchSize: 2 })]).toEqual([...features]);
      expect(model.training).toBe(true);
    },
  );

  test('of several stages is a record, whatever their order, from one pass', async () => {
    const model = net();
    const both = await model.predict(bytes, { at: ['fc', 'block', 'conv'], batchSize: 3 });
    expect(Object.keys(both)).toEqual(['fc', 'block', 'conv']);
    for (const at of ['fc', 'block', 'conv'] as const) {
      const alone = await model.predict(bytes, { at });
      expect(both[at]).toHaveLength(alone.length);
      both[at].forEach((value, i) => expect(value).toBeCloseTo(alone[i]!, 5));
    }
    expect(model.predictSync(bytes, { at: ['fc'] })).toEqual({
      fc: await model.predict(bytes, { at: 'fc' }),
    });
  });

  test('takes means over positions where it is asked to', async () => {
    const model = net();
    const maps = await model.predict(bytes, { at: 'block' });
    const means = await model.predict(bytes, { at: 'block', pool: 'average' });
    expect(means).toHaveLength(5 * 4);
    const size = maps.length / means.length;
    means.forEach((mean, i) => {
      const sum = maps.subarray(i * size, (i + 1) * size).reduce((a, b) => a + b, 0);
      expect(mean).toBeCloseTo(sum / size, 5);
    });
    expect(await model.predict(bytes, { at: 'fc', pool: 'average' })).toEqual(
      await model.predict(bytes, { at: 'fc' }),
    );
  });

  test('goes by the preprocessing, the transform and the layers that the model has at the time', async () => {
    const model = net();
    const at = ['fc', 'conv'] as const;
    const floats = Float32Array.from(uniform(4 * 192, 5));
    const first = await model.predict(floats, { at });
    model.replaceHead(nn.linear(4, 7));
    model.ensureInitialized();
    const second = await model.predict(floats, { at });
    expect([first.fc.length, second.fc.length]).toEqual([4 * 3, 4 * 7]);
    expect(second.conv).toEqual(first.conv);
    // Inputs of another size.
    const wide = await model.predict(Float32Array.from(uniform(2 * 3 * 80, 5)), { at, shape: [3, 8, 10] });
    expect(wide.conv).toHaveLength(2 * 6 * 6 * 8);
    const rows = await fromFeatures({ inputs: floats, shape: [3, 8, 8], targets: [0, 1, 1, 0] });
    const before = await model.predict(rows, { at: 'conv' });
    expect([...before]).toEqual([...first.conv]);
    model.inputTransform = await preprocess.standardize().fit(rows);
    const after = await model.predict(rows, { at: 'conv' });
    expect(after).not.toEqual(before);
    const cut = await upTo(model, 'conv').predict(rows);
    after.forEach((value, i) => expect(value).toBeCloseTo(cut[i]!, 5));
  });

  test('refuses what it cannot do', async () => {
    const model = net();
    const attempt = (options: object) => expect(model.predict(bytes, options as nn.FeaturesOptions<string>));
    await attempt({ at: 'blocks' }).rejects.toThrow(
      'predict: the model has no layer "blocks" (did you mean "block"?)',
    );
    await attempt({ at: [] }).rejects.toThrow('at must name a layer');
    await attempt({ at: '' }).rejects.toThrow(OptionError);
    await attempt({ at: ['conv', 3] }).rejects.toThrow(OptionError);
    await attempt({ at: 3 }).rejects.toThrow('predict: at must be a list');
    await attempt({ at: 'conv', output: 'logits' }).rejects.toThrow('output is for what the model returns');
    await attempt({ at: 'conv', pool: 'max' }).rejects.toThrow('pool must be one of "none", "average"');
    await attempt({ at: 'conv', batch: 3 }).rejects.toThrow('unknown option "batch"');
    const own = new Flat();
    const options = { shape: [2] } as const;
    const inputs = new Float32Array(6);
    await expect(own.predict(inputs, { ...options, at: 'unused' })).rejects.toThrow(
      'predict: forward() does not run layer "unused"',
    );
    await expect(own.predict(inputs, { ...options, at: 'part' })).rejects.toThrow(
      "layer 'part' returns [6] for 3 inputs, not a row for each",
    );
  });
});

describe('features of a tensor', () => {
  const x = tensor(Float32Array.from(uniform(4 * 192, 5)), [4, 3, 8, 8]);

  test('end the recording where all of them are there', () => {
    const model = net();
    const run = compile((input: Tensor) => model.features(input, { at: ['norm', 'conv'] }));
    const { conv, norm } = run.runSync(x);
    expect(conv.shape).toEqual([4, 6, 6, 6]);
    expect(conv.dataSync()).toEqual(
      compile((input: Tensor) => model.stages.conv!.forward(input))
        .runSync(x)
        .dataSync(),
    );
    const kernels = run.prepare(x).lowered.calls.map(({ kernel }) => kernel);
    expect(kernels).toContain('batch_norm_running'); // in training mode
    expect(kernels.filter((name) => /conv2d/.test(name))).toHaveLength(1);
    expect(kernels.filter((name) => /matmul|dropout|relu/.test(name))).toEqual([]);
    expect(norm.shape).toEqual([4, 6, 6, 6]);
  });

  test('leave the rest of the model alone: statistics behind the stage do not move', () => {
    const model = models.resnet18({ classes: 2 }).initialize();
    const images = tensor(Float32Array.from(uniform(2 * 3 * 32 * 32, 5)), [2, 3, 32, 32]);
    const before = [...model.namedBuffers()].map(([name, b]) => [name, [...b.dataSync()].join()] as const);
    compile((input: Tensor) => nn.features(model, input, { at: 'layer2' })).runSync(images);
    const moved = before.filter(
      ([name, text]) => text !== [...model.namedBuffers().get(name)!.dataSync()].join(),
    );
    expect(moved.map(([name]) => name.split('.')[0])).toEqual([
      ...[
        ...Array<string>(2).fill('bn1'),
        ...Array<string>(8).fill('layer1'),
        ...Array<string>(10).fill('layer2'),
      ],
    ]);
  });

  test('throws what forward() throws, and names what is not there', () => {
    const model = net();
    expect(() => model.features(tensor(new Float32Array(4), [4, 1]), { at: 'fc' })).toThrow('conv');
    expect(() => model.features(x, { at: 'block.2' })).toThrow('did you mean "block.0"?');
    expect(() => model.features(x, {} as { at: string })).toThrow(OptionError);
  });
});

describe('extractFeatures', () => {
  async function images(): Promise<Dataset> {
    return fromArrays({
      images: bytes,
      labels: [2, 0, 1, 0, 1],
      shape: [8, 8, 3],
      classNames: ['a', 'b', 'c'],
    });
  }

  test('makes a data set of them, on which a linear classifier learns what the head would', async () => {
    const model = net();
    const data = (await images()).subset([4, 0, 2, 2]);
    const rows = await nn.extractFeatures(model, data, { at: 'block', batchSize: 3 });
    expect(rows).toMatchObject({
      length: 4,
      inputShape: [4, 2, 2],
      classNames: ['a', 'b', 'c'],
      kind: 'features',
    });
    expect([...rows.labels!]).toEqual([1, 2, 1, 1]);
    expect([...(await rows.rows()).inputs]).toEqual([...(await model.predict(data, { at: 'block' }))]);

    // Training a head on features is training it on the frozen model.
    const { fc } = model.stages;
    const trained = net().freeze().unfreeze('fc');
    trained.stages.drop!.eval();
    const means = await nn.extractFeatures(model, data, { at: 'block', pool: 'average' });
    expect(means.inputShape).toEqual([4]);
    const options = () => ({ loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.5 }), seed: 1 });
    await new Trainer(nn.sequential(fc!), options()).fit(means, { epochs: 20, batchSize: 4 });
    await new Trainer(trained, options()).fit(data, { epochs: 20, batchSize: 4 });
    const [one, other] = [fc!, trained.stages.fc!].map((layer) =>
      layer.parameters().map((p) => [...p.dataSync()]),
    );
    one!.flat().forEach((value, i) => expect(value).toBeCloseTo(other!.flat()[i]!, 4));
  });

  test('keeps targets that are numbers', async () => {
    const targets = [0.5, 1, 2, 3, 4, 5];
    const data = await fromFeatures({ inputs: uniform(6, 2), shape: [2], targets, targetShape: [2] });
    const rows = await nn.extractFeatures(nn.sequential(nn.linear(2, 3)), data, { at: '0' });
    expect(rows).toMatchObject({ length: 3, inputShape: [3], targetShape: [2] });
    expect([...(await rows.rows()).targets]).toEqual(targets);
  });

  test('refuses what is not a data set, a list of layers and options of other things', async () => {
    const attempt = (data: unknown, options: unknown) =>
      expect(nn.extractFeatures(net(), data as Dataset, options as nn.ExtractFeaturesOptions)).rejects;
    const data = await images();
    await attempt(bytes, { at: 'fc' }).toThrow('extractFeatures: expected a Dataset');
    await attempt(data, { at: ['fc'] }).toThrow('extractFeatures: at must be the name of one layer');
    await attempt(data, undefined).toThrow(OptionError);
    await attempt(data, { at: 'fc', output: 'logits' }).toThrow(OptionError);
    await attempt(data, { at: 'fc', shape: [3] }).toThrow(OptionError);
    const single = await fromFeatures({ inputs: [1, 2], shape: [1], targets: [0, 1] });
    await expect(nn.extractFeatures(new Flat(), single, { at: 'part' })).rejects.toThrow(DataError);
  });
});
