/** Mistakes that many make, above all who come from PyTorch: the message says what to write instead. */
import { Option } from 'commander';
import {
  augment,
  checkpoint,
  data,
  losses,
  metrics,
  nn,
  optim,
  preprocess,
  progress,
  schedules,
  tensor,
  Trainer,
} from '../lib';
import { spelledAsFlags } from '../lib/cli/flags';
import { checkKeys } from '../lib/options';

const linear = (): nn.Linear => nn.linear(2, 2);

function trainer(options: Record<string, unknown>): Trainer {
  const defaults = { loss: losses.mse(), optimizer: optim.sgd({ lr: 0.1 }) };
  return new Trainer(linear(), { ...defaults, ...options });
}

test.each<[Record<string, unknown>, string]>([
  [
    { loss: losses.crossEntropy },
    'loss is losses.crossEntropy, a function that makes one; call it: losses.crossEntropy()',
  ],
  [{ loss: losses.huber }, 'call it: losses.huber()'],
  [
    { schedule: schedules.cosine },
    'schedule is schedules.cosine, a function that makes one; call it: schedules.cosine()',
  ],
  [{ optimizer: optim.adam }, 'such as optim.sgd({ lr: 0.1 }), got a function that was not called'],
  [{ average: optim.ema }, 'got a function that was not called'],
  [{ augment: [augment.flip] }, 'got a function that was not called'],
  [{ inputTransform: preprocess.zca }, 'got a function that was not called'],
])('Trainer, what was not called: %p', (options, message) => {
  expect(() => trainer(options)).toThrow(message);
});

test('layers, callbacks and metrics that were not called', async () => {
  const uncalled = 'got a function that was not called';
  expect(() => nn.sequential(linear(), nn.relu as never)).toThrow(`layer 1 must be a module, ${uncalled}`);
  expect(() => nn.namedSequential({ act: nn.relu as never })).toThrow(
    `stage "act" must be a module, ${uncalled}`,
  );
  expect(() => nn.residual(nn.relu as never)).toThrow(`body must be a module, ${uncalled}`);
  const features = await data.fromFeatures({ inputs: [1, 2], shape: [2], targets: [1, 2], targetShape: [2] });
  for (const callback of [progress, checkpoint])
    expect(() => trainer({}).fit(features, { epochs: 1, callbacks: [callback as never] })).toThrow(
      `callback 0 must have onEvent, onSteps or onEnd, ${uncalled}`,
    );
  await expect(trainer({}).evaluate(features, { metrics: [metrics.accuracy as never] })).rejects.toThrow(
    uncalled,
  );
});

test('class targets that are floats', () => {
  const scores = tensor([[1, 2, 3]]);
  expect(() => losses.crossEntropy()(scores, tensor(Float32Array.of(2)))).toThrow(
    'targets [1] are f32; class indices must be i32 (an Int32Array), probabilities f32 of shape [1, 3]',
  );
});

describe('shapes of images', () => {
  const arrays = (shape: [number, number, number], layout?: 'NHWC' | 'NCHW'): Promise<data.Dataset> => {
    const images = new Uint8Array(shape[0] * shape[1] * shape[2]);
    return data.fromArrays({ images, labels: [0], shape, ...(layout && { layout }) });
  };

  test('[1, 28, 28] is not an image of one row', async () => {
    await expect(arrays([1, 28, 28])).rejects.toThrow(
      "shape is [height, width, channels], and [1, 28, 28] looks like [channels, height, width]: give [28, 28, 1]. If the images have 28 channels, say layout: 'NHWC'",
    );
    await expect(arrays([3, 32, 16])).rejects.toThrow(
      "give [32, 16, 3], and layout: 'NCHW' where the bytes are planes",
    );
    await expect(arrays([3, 32, 16], 'NCHW')).rejects.toThrow('give [32, 16, 3]. If');
    await expect(data.fromIterable([], { shape: [1, 28, 28] })).rejects.toThrow('give [28, 28, 1]');
  });

  test('images of one row, and of many channels where the layout is said', async () => {
    expect((await arrays([1, 28, 1])).inputShape).toEqual([1, 1, 28]);
    expect((await arrays([3, 3, 3])).inputShape).toEqual([3, 3, 3]);
    expect((await arrays([1, 28, 28], 'NHWC')).inputShape).toEqual([28, 1, 28]);
    expect((await arrays([8, 8, 16])).inputShape).toEqual([16, 8, 8]);
  });
});

describe('layers in a field', () => {
  class Holding extends nn.Module {
    constructor(readonly blocks: unknown) {
      super();
    }
    override forward(x: ReturnType<typeof tensor>): ReturnType<typeof tensor> {
      return x;
    }
  }

  test('of an array are found, in lists of lists as well, and named as in a ModuleList', () => {
    const names = [...new Holding([linear(), [linear()]]).namedParameters().keys()];
    expect(names).toEqual(['blocks.0.weight', 'blocks.0.bias', 'blocks.1.0.weight', 'blocks.1.0.bias']);
  });

  test.each<[string, unknown]>([
    ['a Map', new Map([['a', linear()]])],
    ['a Set', new Set([linear()])],
    ['an object', { a: linear() }],
    ['a Map of parameters', new Map([['w', nn.parameter([2], nn.init.zeros())]])],
  ])('of %s are refused and not forgotten', (_, blocks) => {
    const message =
      /'blocks' is an object \(\w+\) that holds layers or parameters, which are not found there: keep them in an array/;
    expect(() => new Holding(blocks).parameters()).toThrow(message);
    expect(() => nn.sequential(new Holding(blocks)).initialize()).toThrow(message);
  });

  test('what holds no layers may be anything', () => {
    expect(new Holding(new Map([['a', 1]])).parameters()).toEqual([]);
    expect(new Holding({ a: { b: 1 } }).parameters()).toEqual([]);
  });
});

test.each<[() => unknown, string]>([
  [() => nn.conv2d(1, 2, { kernel_size: 3 } as never), '"kernel_size" (did you mean "kernel"?)'],
  [() => nn.conv2d(1, 2, { kernelSize: 3 } as never), '"kernelSize" (did you mean "kernel"?)'],
  [() => nn.leakyRelu({ negative_slope: 0.1 } as never), '"negative_slope" (did you mean "slope"?)'],
  [() => optim.sgd({ learning_rate: 0.1 } as never), '"learning_rate" (did you mean "lr"?)'],
  [() => optim.sgd({ lr: 0.1, weight_decay: 0.1 } as never), '"weight_decay" (did you mean "weightDecay"?)'],
  [() => nn.batchNorm2d(2, { track_running_stats: true } as never), '(did you mean "trackRunningStats"?)'],
  [() => schedules.cosine({ eta_min: 0.1 } as never), '"eta_min" (did you mean "min"?)'],
  [() => checkKeys('models.lenet', { num_classes: 10 }, ['classes', 'seed']), '(did you mean "classes"?)'],
  [() => checkKeys('fit', { batch_size: 10 }, ['batchSize', 'epochs']), '(did you mean "batchSize"?)'],
  [() => checkKeys('f', { toString: 1 }, ['constructor']), 'unknown option "toString"; known'],
])('an option as others call it: %s', (run, message) => {
  expect(run).toThrow(message);
});

test('messages on the command line spell options as it does', () => {
  const options = [new Option('--image-size <n>'), new Option('--lr <x>'), new Option('-q')];
  const spelled = (text: string): string => spelledAsFlags(text, options);
  expect(spelled('folder: imageSize must be a side')).toBe('folder: --image-size must be a side');
  expect(spelled('folder: option imageSize, got x')).toBe('folder: option --image-size, got x');
  expect(spelled('optim.sgd: lr must be above 0')).toBe('optim.sgd: --lr must be above 0');
  expect(spelled('a file lr must not be, nor xlr.imageSize')).toBe(
    'a file lr must not be, nor xlr.imageSize',
  );
});
