/** Training steps on random images, for the children that leave in the middle of one. */
import { compile, grad, losses, models, optim, RandomState, tensor } from 'tenon';

function step(model) {
  const optimizer = optim.sgd({ lr: 0.01, momentum: 0.9 });
  const loss = losses.crossEntropy();
  return compile(
    (images, labels) => {
      const value = loss(model.forward(images), labels);
      optimizer.update(grad(value));
      return value;
    },
    { random: new RandomState(1) },
  );
}

/** A model and a function that queues one step of it on the same batch. */
export function training(name, batch) {
  const model = models[name]({ seed: 1 });
  const [channels, side] = name === 'lenet' ? [1, 28] : [3, 32];
  const size = batch * channels * side * side;
  const pixels = Float32Array.from({ length: size }, (_, i) => ((i * 7919) % 1009) / 504.5 - 1);
  const images = tensor(pixels, [batch, channels, side, side]);
  const labels = tensor(
    Int32Array.from({ length: batch }, (_, i) => i % 10),
    [batch],
  );
  const run = step(model);
  return { model, train: () => run(images, labels) };
}
