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
    expect(depths(models.resnet20())).toEqual([]);
    expect(() => models.resnet18({ stochasticDepth: 1.5 })).toThrow(
      /models.resnet18: stochasticDepth must be .*1.5/,
    );
  });
});

it('refuses probabilities outside 0 to 1', () => {
  expect(() => nn.stochasticDepth(-0.1)).toThrow(/nn.stochasticDepth: p must be/);
  expect(() => nn.stochasticDepth(undefined as never)).toThrow(/nn.stochasticDepth: p must be/);
  expect(() => nn.residualBlock(2, 2, { stochasticDepth: 2 })).toThrow(/stochasticDepth must be/);
  expect(() => nn.dropout(0.5, { scaling: 'test' } as never)).toThrow(/nn.dropout: scaling must be/);
});
