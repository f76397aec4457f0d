/** mixup and CutMix in training; what they compute is in test/ops/mix-samples.test.ts. */
import { augment, losses, nn, optim, OptionError } from '../../lib';
import type { Draws } from '../../lib/augment';
import { compile } from '../../lib/compile/compile';
import { fromArrays } from '../../lib/data';
import { setThreads } from '../../lib/native';
import { checkpoint, Trainer, type TrainerOptions } from '../../lib/train';
import { runtimeScalar, tensor, type Tensor } from '../../lib/tensor/tensor';
import {
  failure,
  smallNet,
  smallTrainer,
  someGlyphs,
  temporaryDirectories,
  weightsDigest,
} from '../train/helpers';

const directory = temporaryDirectories();

const mixed: Partial<TrainerOptions> = {
  augment: [
    augment.randomCrop(28, { padding: 2 }),
    augment.oneOf([augment.mixup({ alpha: 0.4 }), augment.cutmix()]),
  ],
};

async function digest(options: Partial<TrainerOptions>): Promise<string> {
  const trainer = smallTrainer(smallNet(), options);
  await trainer.fit(await someGlyphs(), { epochs: 2, batchSize: 32 });
  return weightsDigest(trainer.model);
}

it('bits do not depend on threads; a run with mixing is another run than one without', async () => {
  const digests: string[] = [];
  for (const threads of [1, 2, 4]) {
    setThreads(threads);
    digests.push(await digest(mixed));
  }
  setThreads(2);
  digests.push(await digest({ augment: mixed.augment!.slice(0, 1) }));
  expect(digests[1]).toBe(digests[0]);
  expect(digests[2]).toBe(digests[0]);
  expect(digests[3]).not.toBe(digests[0]);
});

it('a resumed run has the bits of one that was never interrupted', async () => {
  const whole = smallTrainer(smallNet(), mixed);
  await whole.fit(await someGlyphs(), { epochs: 3 });
  const dir = directory();
  const options = { epochs: 3, maxSteps: 10, callbacks: [checkpoint(dir, { everySteps: 10 })] };
  await smallTrainer(smallNet(), mixed).fit(await someGlyphs(), options);
  const resumed = smallTrainer(smallNet(), mixed);
  await resumed.fit(await someGlyphs(), { epochs: 3, resume: dir });
  expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(whole.model));
});

function drawsOf(occurrence: Tensor, epoch: number): Draws {
  const uniform = (): never => {
    throw new Error('mixing draws by itself');
  };
  return { seed: 1, epoch: runtimeScalar(() => epoch), occurrence, place: 1, uniform };
}

/** A batch of four as mixup sees it, behind the normalization. */
function record(item: ReturnType<typeof augment.mixup>): { images: number[]; targets: number[] } {
  const step = compile((images: Tensor, targets: Tensor) => {
    const samples = tensor(Int32Array.of(7, 3, 5, 9));
    const batch = { images, targets, samples, classes: 3 };
    const draws = drawsOf(tensor(new Int32Array(4)), 2);
    const after = item.record(batch, draws);
    return { images: after.images, targets: after.targets };
  });
  const images = tensor(
    Float32Array.from({ length: 4 * 12 }, (_, i) => i),
    [4, 1, 3, 4],
  );
  const result = step.runSync(images, tensor(Int32Array.of(0, 1, 2, 0)));
  return { images: Array.from(result.images.dataSync()), targets: Array.from(result.targets.dataSync()) };
}

it('oneOf draws by weight, and keeps its own p', () => {
  const [up, cut] = [augment.mixup(), augment.cutmix()];
  const only = (weights: number[], p = 1): unknown => record(augment.oneOf([up, cut], { weights, p }));
  expect(record(augment.oneOf([up]))).toEqual(record(up));
  expect(only([0, 1])).not.toEqual(only([1, 0]));
  expect(only([1, 1], 0)).toEqual(record(augment.mixup({ p: 0 })));
});

it('label smoothing composes: the loss of mixed targets is the mean of the losses of both', () => {
  const smooth = losses.crossEntropy({ labelSmoothing: 0.1 });
  const logits = [
    [1, -2, 0.5],
    [0.3, 0.2, -1],
  ];
  const step = compile((x: Tensor, soft: Tensor, first: Tensor, second: Tensor) => ({
    mixed: smooth(x, soft),
    first: smooth(x, first),
    second: smooth(x, second),
  }));
  const soft = tensor([0.7, 0.3, 0, 0, 0.7, 0.3], [2, 3]);
  const classes = [tensor(Int32Array.of(0, 1)), tensor(Int32Array.of(1, 2))] as const;
  const { mixed, first, second } = step.runSync(tensor(logits.flat(), [2, 3]), soft, ...classes);
  expect(mixed.itemSync()).toBeCloseTo(0.7 * first.itemSync() + 0.3 * second.itemSync(), 5);
});

it('accuracy counts the heavier label', async () => {
  // Dark images of class 0 and light ones of class 1: a model that adds up the pixels tells them apart, and
  // from a mixture the share of the light one. Its own label is the heavier one where it keeps half at least.
  const labels = Array.from({ length: 60 }, (_, i) => i % 2);
  const images = Uint8Array.from({ length: 60 * 4 }, (_, i) => (labels[i >> 2] === 1 ? 255 : 0));
  const set = await fromArrays({ images, labels, shape: [2, 2, 1] });
  const net = nn.sequential(nn.flatten(), nn.linear(4, 2, { bias: false }));
  net.initialize({ seed: 1 });
  net.parameters()[0]!.storage.writeSync(Float32Array.of(-1, -1, -1, -1, 1, 1, 1, 1));
  const trainer = new Trainer(net, {
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr: 0 }),
    augment: [augment.mixup({ alpha: 1 })],
  });
  const { epochs } = await trainer.fit(set, { epochs: 1, batchSize: 60 });
  expect(epochs[0]!.trainAccuracy).toBe(1);
});

it('a loss of class indices is refused before any step', async () => {
  const trainer = smallTrainer(smallNet(), { loss: losses.hinge(), augment: [augment.mixup()] });
  const weights = async (): Promise<unknown[]> =>
    Promise.all(trainer.model.parameters().map(async (parameter) => parameter.data()));
  trainer.model.initialize({ seed: 3 });
  const before = await weights();
  const error = await failure(async () => trainer.fit(await someGlyphs(), { epochs: 1 }));
  expect(error).toBeInstanceOf(OptionError);
  expect(error.message).toMatch(
    /^fit: augment.mixup turns classes into probabilities, f32 \[\d+, 10\], which the loss does not take .*: /,
  );
  expect(await weights()).toEqual(before);
});

it('a loss that takes no weights is refused where samples have some, as without mixing', async () => {
  const glyphs = await someGlyphs();
  const weighted = glyphs.withWeights(Array.from({ length: glyphs.length }, (_, i) => 1 + (i % 2)));
  const criterion = losses.crossEntropy();
  const loss: losses.Loss = (outputs, targets) => criterion(outputs, targets);
  const trainer = smallTrainer(smallNet(), { loss, augment: [augment.mixup()] });
  const error = await failure(async () => trainer.fit(weighted, { epochs: 1 }));
  expect(error.message).toMatch(/^the samples have weights, but the loss takes none/);
});

it('numeric targets are refused', () => {
  const step = compile((images: Tensor) => {
    const rows = tensor(new Int32Array(1));
    const batch = { images, targets: tensor([0.5]), samples: rows, classes: undefined };
    const draws = drawsOf(rows, 0);
    return augment.cutmix().record(batch, draws).images;
  });
  expect(() => step.runSync(tensor(new Float32Array(4), [1, 1, 2, 2]))).toThrow(
    /augment.cutmix: targets must be class indices, but they are numbers/,
  );
});

it('validation and the evaluation see classes, not mixtures', async () => {
  const glyphs = await someGlyphs();
  const trainer = smallTrainer(smallNet(), mixed);
  const { epochs } = await trainer.fit(glyphs, { epochs: 1, validation: glyphs });
  const { accuracy } = await trainer.evaluate(glyphs);
  expect(epochs[0]!.validationAccuracy).toBe(accuracy);
});

it('refuses an order and options that make no sense', () => {
  const list = [augment.mixup(), augment.flip()];
  expect(() => smallTrainer(smallNet(), { augment: list })).toThrow(
    /flip works on pixels, and must stand before mixup/,
  );
  expect(() => augment.mixup({ alpha: 0 })).toThrow(
    /augment.mixup: alpha must be a number from 0.001 to 1000000, got 0/,
  );
  expect(() => augment.cutmix({ p: 2 })).toThrow(/augment.cutmix: p must be/);
  expect(() => augment.oneOf([augment.mixup(), augment.flip()])).toThrow(OptionError);
  expect(() => augment.oneOf([augment.mixup(), augment.cutmix()], { weights: [0, 0] })).toThrow(
    /all weights are 0/,
  );
  expect(() => augment.sequence([augment.mixup()])).toThrow(OptionError);
});
