/** Layers that draw noise in training: what they compute on average, in evaluation, and when p changes. */
import { compile, models, nn, RandomState, tensor, type Tensor } from '../../lib';

const x = tensor(
  Float32Array.from({ length: 64 * 8 }, (_, i) => 1 + (i % 7) / 7),
  [64, 8],
);

/** Mean output of each element over many steps of training. */
async function meanOf(layer: nn.Module, steps: number): Promise<Float64Array> {
  const run = compile((t: Tensor) => layer.forward(t), { random: new RandomState(5) });
  const total = new Float64Array(x.size);
  for (let step = 0; step < steps; step++)
    (await (await run(x)).data()).forEach((v, i) => (total[i]! += v / steps));
  run.dispose();
  return total;
}

async function evaluated(layer: nn.Module): Promise<ArrayLike<number>> {
  layer.eval();
  const y = await compile((t: Tensor) => layer.forward(t))(x);
  layer.train();
  return y.data();
}

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (v, i) => Math.abs(v - b[i]!)));

describe('plain and inverted dropout', () => {
  const p = 0.3;
  const [inverted, plain] = [nn.dropout(p), nn.dropout(p, { scaling: 'evaluation' })];

  it('compute in evaluation what they compute in training on average, and agree up to 1 - p', async () => {
    const steps = 2000;
    const [trained, plainlyTrained] = [await meanOf(inverted, steps), await meanOf(plain, steps)];
    // Five standard errors of the mean of draws of 0 or x / (1 - p), x at most 2.
    const error = (5 * 2 * Math.sqrt(p / (1 - p))) / Math.sqrt(steps);
    expect(worst(trained, await evaluated(inverted))).toBeLessThan(error);
    expect(worst(plainlyTrained, await evaluated(plain))).toBeLessThan(error * (1 - p));
    expect(
      worst(
        plainlyTrained.map((v) => v / (1 - p)),
        trained,
      ),
    ).toBeLessThan(1e-6);
  });

  it('scale in evaluation by what p is at that moment', async () => {
    const layer = nn.dropout(0.5, { scaling: 'evaluation' });
    const model = nn.sequential(layer).eval();
    const run = compile((t: Tensor) => model.forward(t));
    const one = tensor([1, 2], [1, 2]);
    expect([...(await (await run(one)).data())]).toEqual([0.5, 1]);
    layer.p = 0.75;
    expect([...(await (await run(one)).data())]).toEqual([0.25, 0.5]);
    expect(run.profile()).toHaveLength(1);
  });
});

describe('stochastic depth in residual blocks', () => {
  const image = tensor(
    Float32Array.from({ length: 8 * 2 * 9 }, (_, i) => Math.abs(Math.sin(i))),
    [8, 2, 3, 3],
  );
  const makers: Record<string, (stochasticDepth?: number) => nn.Module & { stochasticDepth?: number }> = {
    residualBlock: (p) => nn.residualBlock(2, 2, p === undefined ? {} : { stochasticDepth: p }),
    bottleneck: (p) => nn.bottleneck(8, 2, p === undefined ? {} : { stochasticDepth: p }),
    cifarBlock: (p) => nn.cifarBlock(2, 2, p === undefined ? {} : { stochasticDepth: p }),
    invertedResidual: (p) =>
      nn.invertedResidual<number, number>(2, 2, p === undefined ? {} : { stochasticDepth: p }),
    basicBlock: (p) => nn.basicBlock<number, number>(2, 2, p === undefined ? {} : { stochasticDepth: p }),
  };

  it.each(Object.keys(makers))('%s passes on its shortcut alone where p is 1', async (name) => {
    const channels = name === 'bottleneck' ? 8 : 2;
    const input = tensor(
      Float32Array.from({ length: 8 * channels * 9 }, (_, i) => Math.abs(Math.sin(i))),
      [8, channels, 3, 3],
    );
    const block = makers[name]!(1).initialize({ seed: 1 });
    const run = compile((t: Tensor) => block.forward(t));
    expect([...(await (await run(input)).data())]).toEqual([...(await input.data())]);
    block.stochasticDepth = 0; // compiles nothing
    const whole = [...(await (await run(input)).data())];
    expect(run.profile()).toHaveLength(1);
    const without = makers[name]!().initialize({ seed: 1 });
    expect(whole).toEqual([...(await (await compile((t: Tensor) => without.forward(t))(input)).data())]);
    block.eval();
    expect([...(await (await run(input)).data())]).not.toEqual([...(await input.data())]);
  });

  it('may be given to a block that had none, and taken from it', async () => {
    const block = nn.residualBlock(2, 2).initialize({ seed: 1 });
    const run = compile((t: Tensor) => block.forward(t));
    const whole = [...(await (await run(image)).data())];
    Object.assign(block, { stochasticDepth: 1 });
    expect([...(await (await run(image)).data())]).toEqual([...(await image.data())]);
    Object.assign(block, { stochasticDepth: undefined });
    expect([...(await (await run(image)).data())]).toEqual(whole);
    expect(run.profile()).toHaveLength(2);
  });

  it('rises linearly to the last block of a network', () => {
    const depths = (model: nn.Module): (number | undefined)[] =>
      [...model.namedModules().values()].flatMap((m) =>
        'stochasticDepth' in m ? [m.stochasticDepth as number] : [],
      );
    const expected = (n: number): number[] => Array.from({ length: n }, (_, i) => ((i + 1) / n) * 0.5);
    const options = { stochasticDepth: 0.5 };
    expect(depths(models.resnet18(options))).toEqual(expected(8));
    expect(depths(models.resnet50(options))).toEqual(expected(16));
    expect(depths(models.cifarResnet32(options))).toEqual(expected(15));
    expect(depths(models.resnet20(options))).toEqual(expected(9));
    expect(depths(models.mobilenetV2(options))).toEqual(expected(17));
    expect(depths(models.efficientnetLite0(options))).toEqual(expected(16));
    expect(depths(models.resnet20())).toEqual([]);
    expect(() => models.resnet18({ stochasticDepth: 1.5 })).toThrow(
      /models.resnet18: stochasticDepth must be .*1.5/,
    );
  });
});

describe('noise of activations and weights', () => {
  const rows = tensor(
    Float32Array.from({ length: 40 * 8 }, (_, i) => Math.sin(i)),
    [40, 8],
  );
  const run = async (layer: nn.Module, given: Tensor = rows): Promise<Float64Array> => {
    const step = compile((t: Tensor) => layer.forward(t), { random: new RandomState(9) });
    return Float64Array.from(await (await step(given)).data());
  };
  const plain = nn.linear(8, 4).initialize({ seed: 1 });

  it('is not there in evaluation', async () => {
    const expected = await run(plain);
    for (const options of [
      { dropConnect: 0.5 },
      { dropConnect: 0.5, dropConnectPer: 'example' },
      { weightNoise: 1 },
    ] as const) {
      const noisy = nn.linear(8, 4, options).initialize({ seed: 1 });
      expect(await run(noisy)).not.toEqual(expected);
      noisy.eval();
      expect(await run(noisy)).toEqual(expected);
    }
    for (const layer of [nn.gaussianNoise(1), nn.gaussianDropout(0.5)]) {
      expect(await run(layer)).not.toEqual(Float64Array.from(await rows.data()));
      layer.eval();
      expect(await run(layer)).toEqual(Float64Array.from(await rows.data()));
    }
  });

  it('drops the same connections for all examples of a step, or others for each', async () => {
    const ones = tensor(new Float32Array(40 * 8).fill(1), [40, 8]);
    const distinctRows = async (per: 'step' | 'example'): Promise<number> => {
      const layer = nn.linear(8, 4, { dropConnect: 0.5, dropConnectPer: per, weightInit: 'normal' });
      const y = await run(layer.initialize({ seed: 1 }), ones);
      return new Set(Array.from({ length: 40 }, (_, n) => y.slice(4 * n, 4 * n + 4).join())).size;
    };
    expect(await distinctRows('step')).toBe(1);
    expect(await distinctRows('example')).toBe(40);
  });

  it.each([
    ['linear', () => nn.linear(8, 4, { dropConnect: 0.3 }), plain],
    [
      'linear, for each example',
      () => nn.linear(8, 4, { dropConnect: 0.3, dropConnectPer: 'example' }),
      plain,
    ],
    ['linear, noise', () => nn.linear(8, 4, { weightNoise: 0.2 }), plain],
  ] as const)('keeps the mean: %s', async (_, make, same) => {
    const layer = make().initialize({ seed: 1 });
    const expected = await run(same);
    const steps = 3000;
    const step = compile((t: Tensor) => layer.forward(t), { random: new RandomState(2) });
    const mean = new Float64Array(expected.length);
    for (let i = 0; i < steps; i++)
      (await (await step(rows)).data()).forEach((v, at) => (mean[at]! += v / steps));
    // Outputs deviate by less than 1: five standard errors.
    expect(worst(mean, expected)).toBeLessThan(5 / Math.sqrt(steps));
  });

  it('reads p and the deviation in each step, of convolutions too', async () => {
    const image = tensor(
      Float32Array.from({ length: 2 * 16 }, (_, i) => Math.cos(i)),
      [1, 2, 4, 4],
    );
    const row = tensor(
      Float32Array.from({ length: 8 }, (_, i) => Math.cos(i)),
      [1, 2, 4],
    );
    const noise = { dropConnect: 1, weightNoise: 0.1, bias: false };
    const layers = [
      [nn.conv2d(2, 3, { kernel: 3, ...noise, weightStandardization: true }), image],
      [nn.convTranspose2d(2, 3, { kernel: 3, ...noise }), image],
      [nn.depthwiseConv2d(2, { kernel: 3, ...noise }), image],
      [nn.conv1d(2, 3, { kernel: 3, ...noise }), row],
      [nn.convTranspose1d(2, 3, { kernel: 3, ...noise }), row],
      [nn.linear(4, 3, noise), row],
      [nn.linear(4, 3, { ...noise, dropConnectPer: 'example' }), row],
    ] as const;
    for (const [layer, input] of layers) {
      layer.initialize({ seed: 1 });
      const step = compile((t: Tensor) => layer.forward(t), { random: new RandomState(3) });
      const nothing = await (await step(input)).data();
      expect([...nothing].every((v) => v === 0)).toBe(true);
      Object.assign(layer, { dropConnect: 0, weightNoise: 0 });
      const clean = Array.from(await (await step(input)).data());
      expect(step.profile()).toHaveLength(1);
      layer.eval();
      expect(worst(clean, Array.from(await (await step(input)).data()))).toBeLessThan(1e-6);
    }
  });
});

it('a bottleneck has few parameters, and is the product of its factors', async () => {
  const layer = nn.bottleneckLinear(100, 50, { rank: 5 }).initialize({ seed: 1 });
  const sizes = [...layer.namedParameters()].map(([name, p]) => `${name} ${p.shape.join('x')}`);
  expect(sizes).toEqual(['0.weight 5x100', '1.weight 50x5', '1.bias 50']);
  expect(layer.parameters().reduce((sum, p) => sum + p.size, 0)).toBe(5 * 150 + 50);
  const [a, b, bias] = await Promise.all(layer.parameters().map((p) => p.data()));
  const input = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i));
  const y = await (await compile((t: Tensor) => layer.forward(t))(tensor(input, [1, 100]))).data();
  y.forEach((value, o) => {
    let expected = bias![o]!;
    for (let r = 0; r < 5; r++)
      for (let i = 0; i < 100; i++) expected += b![5 * o + r]! * a![100 * r + i]! * input[i]!;
    expect(Math.abs(value - expected)).toBeLessThan(1e-5);
  });
  expect(() => nn.bottleneckLinear(4, 4, { rank: 0 })).toThrow(/nn.bottleneckLinear: rank must be/);
  expect(() => nn.bottleneckLinear(4, 4, { rank: 2, biased: true } as never)).toThrow(/"biased"/);
});

it('refuses probabilities outside 0 to 1', () => {
  expect(() => nn.stochasticDepth(-0.1)).toThrow(/nn.stochasticDepth: p must be/);
  expect(() => nn.stochasticDepth(undefined as never)).toThrow(/nn.stochasticDepth: p must be/);
  expect(() => nn.residualBlock(2, 2, { stochasticDepth: 2 })).toThrow(/stochasticDepth must be/);
  expect(() => nn.linear(2, 2, { dropConnect: 1.1 })).toThrow(/nn.linear: dropConnect must be/);
  expect(() => nn.conv2d(2, 2, { kernel: 1, weightNoise: -1 })).toThrow(/nn.conv2d: weightNoise must be/);
  expect(() => nn.gaussianDropout(1)).toThrow(/nn.gaussianDropout: p must be a number from 0 to below 1/);
  expect(() => nn.gaussianNoise(-1)).toThrow(/nn.gaussianNoise: std must be/);
  expect(() => nn.dropout(0.5, { scaling: 'test' } as never)).toThrow(/nn.dropout: scaling must be/);
});
