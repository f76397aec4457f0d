import { data, losses, nn, ops, optim, progress, Trainer } from 'tenon';

/**
 * A residual block: x + f(x), f two convolutions. Parameters get PyTorch's names, such as `2.first.weight`.
 */
class Residual extends nn.Module {
  constructor(channels) {
    super();
    this.first = nn.conv2d(channels, channels, { kernel: 3, padding: 1, bias: false });
    this.norm = nn.batchNorm2d(channels);
    this.second = nn.conv2d(channels, channels, { kernel: 3, padding: 1 });
  }

  forward(x) {
    const inner = ops.relu(this.norm.forward(this.first.forward(x)));
    return ops.relu(ops.add(x, this.second.forward(inner)));
  }
}

/** An op of your own is a function of existing ops; its gradient comes with them. Misra 2019. */
function mish(x) {
  return ops.mul(x, ops.tanh(ops.log(ops.affine(ops.exp(x), 1, 1))));
}

class Net extends nn.Module {
  constructor() {
    super();
    this.stem = nn.conv2d(1, 16, { kernel: 3, stride: 2, padding: 1 });
    this.block = new Residual(16);
    this.head = nn.linear(16 * 7 * 7, 10);
  }

  forward(x) {
    const features = ops.maxPool2d(this.block.forward(mish(this.stem.forward(x))), 2);
    return this.head.forward(ops.flatten(features));
  }
}

const { train, test } = await data.glyphs();
const model = new Net();
console.log(String(model.summary({ inputShape: [1, 28, 28] })));
const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer: optim.adam(), seed: 7 });
await trainer.fit(train, { epochs: 1, batchSize: 128, callbacks: [progress()] });
console.log(await trainer.evaluate(test));
