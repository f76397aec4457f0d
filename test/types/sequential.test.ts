/** Checked by tsc (npm run lint): each @ts-expect-error must be an error, every other line none. */
import * as nn from '../../lib/nn';

class Own extends nn.Module {
  forward(x: Parameters<nn.Activation['forward']>[0]): ReturnType<nn.Activation['forward']> {
    return x;
  }
}

test('sequential accepts layers that fit', () => {
  const features = nn.sequential(
    nn.conv2d(1, 32, { kernel: 3 }),
    nn.batchNorm2d(32),
    nn.relu(),
    nn.maxPool2d(2),
  );
  const typed: nn.Sequential<1, 32> = features;
  const width: number = 5;
  const unknown: nn.Module[] = [nn.linear(4, 8), nn.linear(16, 2)];
  const models = [
    nn.sequential(
      typed,
      nn.conv2d(32, 64, { kernel: 3 }),
      nn.flatten(),
      nn.linear(64 * 7 * 7, 128),
      nn.relu(),
      nn.linear(128, 10),
    ),
    nn.sequential(nn.conv2d(3, width, { kernel: 1 }), nn.conv2d(7, 8, { kernel: 1 })),
    nn.sequential(nn.linear(4, 8), new Own(), nn.linear(16, 2)),
    nn.sequential(
      nn.basicBlock(16, 32, { stride: 2 }),
      nn.basicBlock(32, 32),
      nn.globalAvgPool2d(),
      nn.flatten(),
      nn.linear(32, 10),
    ),
    nn.sequential(
      nn.conv2d(3, 8, { kernel: 3 }),
      nn.fractionalMaxPool2d('disjoint', { outputRatio: 0.7 }),
      nn.conv2d(8, 9, { kernel: 3 }),
    ),
    nn.sequential(...unknown),
    nn.sequential(),
  ];
  expect(models).toHaveLength(7);
});

/**
 * Helpers as users write them: what cannot be decided yet compiles, and what comes out is known where
 * they are called.
 */
const helpers = {
  stack: <const Layers extends readonly nn.Module[]>(...layers: Layers) => nn.sequential(...layers),
  array: <Layers extends nn.Module[]>(layers: Layers) => nn.sequential(...layers),
  after: (layers: readonly nn.Module[]) =>
    nn.sequential(nn.conv2d(1, 8, { kernel: 3 }), ...layers, nn.flatten()),
  withRelu: <Layer extends nn.Module>(layer: Layer) => nn.sequential(layer, nn.relu()),
  withHead: <Layer extends nn.Module>(layer: Layer) => nn.sequential(layer, nn.linear(8, 2)),
  pair: <A extends nn.Module, B extends nn.Module>(a: A, b: B): nn.Sequential => nn.sequential(a, b),
  block: <In extends number, Out extends number>(inChannels: In, outChannels: Out) =>
    nn.sequential(
      nn.conv2d(inChannels, outChannels, { kernel: 3 }),
      nn.batchNorm2d(outChannels),
      nn.relu(),
      nn.conv2d(outChannels, outChannels, { kernel: 1 }),
    ),
};

test('sequential inside generic functions', () => {
  const { stack, array, after, withRelu, withHead, pair, block } = helpers;
  const stacked: nn.Sequential<1, 4> = stack(
    nn.conv2d(1, 2, { kernel: 1 }),
    nn.relu(),
    nn.conv2d(2, 4, { kernel: 1 }),
  );
  const blocked: nn.Sequential<3, 5> = block(3, 5);
  const activated: nn.Sequential<1, 4> = withRelu(nn.conv2d(1, 4, { kernel: 1 }));
  const headed: nn.Sequential<3, 2> = withHead(block(3, 8));
  const models = [stacked, blocked, activated, headed, stack(), array([nn.relu()]), after([nn.relu()])];
  expect([...models, pair(blocked, headed)].map((model) => model.layers.length)).toEqual([
    3, 4, 2, 2, 0, 1, 3, 2,
  ]);
  const mismatched = <C extends number>(channels: C) =>
    // @ts-expect-error any number of channels into a layer that expects 8
    nn.sequential(nn.conv2d(1, channels, { kernel: 3 }), nn.batchNorm2d(8));
  // @ts-expect-error what a helper returns is checked where it is used
  nn.sequential(block(3, 5), nn.linear(4, 2));
  // @ts-expect-error 5 channels come out
  const wrong: nn.Sequential<3, 4> = block(3, 5);
  expect(mismatched(8).layers).toHaveLength(wrong.layers.length - 2);
});

test('sequential rejects neighbours that do not', () => {
  // @ts-expect-error 64 channels into a layer that expects 32
  nn.sequential(nn.conv2d(1, 64, { kernel: 3 }), nn.conv2d(32, 64, { kernel: 3 }));
  // @ts-expect-error batch norm of 16 after 32 channels, through a layer that passes them on
  nn.sequential(nn.conv2d(1, 32, { kernel: 3 }), nn.relu(), nn.batchNorm2d(16));
  // @ts-expect-error 128 features into a layer that expects 100
  nn.sequential(nn.flatten(), nn.linear(784, 128), nn.dropout(0.5), nn.linear(100, 10));
  // @ts-expect-error inside and outside do not fit
  nn.sequential(nn.sequential(nn.linear(4, 8)), nn.linear(9, 2));
  // @ts-expect-error residual blocks
  nn.sequential(nn.basicBlock(16, 32), nn.basicBlock(16, 32));
  // @ts-expect-error fractional pooling passes channels on
  nn.sequential(nn.linear(1, 32), nn.fractionalMaxPool2d(2, { outputSize: 7 }), nn.linear(16, 2));
  // @ts-expect-error not a module
  expect(() => nn.sequential(nn.relu(), 'relu')).toThrow(
    'nn.sequential: layer 1 must be a module, got "relu"',
  );
});

test('replaceHead knows what comes out', () => {
  const model = (): nn.Sequential<4, 5> => nn.sequential(nn.linear(4, 8), nn.relu(), nn.linear(8, 5));
  const other: nn.Sequential<4, 2> = model().replaceHead(nn.linear(8, 2));
  const chain: nn.Sequential<4, 2> = model().replaceHead(nn.sequential(nn.dropout(0.1), nn.linear(8, 2)));
  // @ts-expect-error five came out of the old head
  const wrong: nn.Sequential<4, 5> = model().replaceHead(nn.linear(8, 2));
  const unknown: nn.Sequential = nn.sequential(...[nn.linear(4, 8)]).replaceHead(nn.linear(4, 2));
  const named: nn.NamedSequential = nn.namedSequential({ fc: nn.linear(4, 8) }).replaceHead(nn.linear(4, 2));
  expect([other, chain, wrong, unknown, named]).toHaveLength(5);
});
