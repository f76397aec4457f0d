import { compile, grad, losses, nn, optim, tensor } from 'tenon';

// Points of the plane. Those inside the unit circle are class 1.
const count = 256;
const xs = Float32Array.from({ length: 2 * count }, (_, i) => 1.5 * Math.sin(12.9898 * (i + 1) ** 2));
const ys = Int32Array.from({ length: count }, (_, i) => Number(Math.hypot(xs[2 * i], xs[2 * i + 1]) < 1));
const inputs = tensor(xs, [count, 2]);
const targets = tensor(ys);

const model = nn.sequential(nn.linear(2, 32), nn.tanh(), nn.linear(32, 2)).initialize({ seed: 1 });
const optimizer = optim.adam({ lr: 0.02 });
const crossEntropy = losses.crossEntropy();

const step = compile((x, y) => {
  const loss = crossEntropy(model.forward(x), y); // recorded, not run
  optimizer.update(grad(loss));
  return loss;
});

for (let i = 1; i <= 300; i++) {
  const loss = await step(inputs, targets); // one call into native code
  if (i % 100 === 0) console.log(`step ${i}: loss ${(await loss.item()).toFixed(4)}`);
}
