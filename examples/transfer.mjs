/** Glyphs 0 to 4 teach a network, which then learns 5 to 9 from ten examples of each. */
import { data, gradualUnfreezing, losses, nn, optim, Trainer } from 'tenon';

const { train, test } = await data.glyphs();
const [known, fresh] = [train.classNames.slice(0, 5), train.classNames.slice(5)];
const few = train.selectClasses(fresh).sample(50, { seed: 1, stratified: true });
const held = test.selectClasses(fresh);

const trainerOf = (model, optimizer) =>
  new Trainer(model, { loss: losses.crossEntropy(), optimizer, seed: 1 });
const rate = { lr: 0.01, momentum: 0.9 };
const report = async (name, trainer, set = held) =>
  console.log(`${name.padEnd(38)} accuracy: ${(await trainer.evaluate(set)).accuracy.toFixed(3)}`);

// prettier-ignore
const makeModel = () => nn.namedSequential({
  features: nn.sequential(
    nn.conv2d(1, 16, { kernel: 3, padding: 1, bias: false }), nn.batchNorm2d(16), nn.relu(), nn.maxPool2d(2),
    nn.conv2d(16, 32, { kernel: 3, padding: 1, bias: false }), nn.batchNorm2d(32), nn.relu(), nn.maxPool2d(2),
  ),
  flatten: nn.flatten(),
  fc: nn.linear(32 * 7 * 7, 5),
});

const base = makeModel();
await trainerOf(base, optim.sgd(rate)).fit(train.selectClasses(known), { epochs: 2, batchSize: 64 });
await base.save('base.safetensors');

const scratch = trainerOf(makeModel(), optim.sgd(rate));
await scratch.fit(few, { epochs: 30, batchSize: 10 });
await report('from scratch', scratch);

// A linear classifier on features that are computed once.
const at = { at: 'flatten' };
const classifier = trainerOf(nn.sequential(nn.linear(32 * 7 * 7, 5)), optim.sgd(rate));
await classifier.fit(await nn.extractFeatures(base, few, at), { epochs: 30, batchSize: 10 });
await report('linear classifier on features', classifier, await nn.extractFeatures(base, held, at));

// A new head first, then the layers below it, which are trained more slowly.
const tuned = (await nn.load('base.safetensors')).replaceHead(nn.linear(32 * 7 * 7, 5));
const groups = optim.layerwiseDecay(tuned, { factor: 0.5 });
const tuner = trainerOf(tuned, optim.sgd({ ...rate, groups }));
const callbacks = [gradualUnfreezing(tuned, { everyEpochs: 5 })];
await tuner.fit(few, { epochs: 30, batchSize: 10, callbacks });
await report('fine-tuned from the head down', tuner);
