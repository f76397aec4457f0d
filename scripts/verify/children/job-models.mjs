/**
 * What a job waits for before its first step, for one network, `CASE`, in a process of its own: drawing its
 * weights, compiling a training step of it. Prints the phases as JSON.
 */
import { compile, data, evaluate, grad, losses, models, nn, ops, optim, tensor } from 'tenon';
import { Phases } from './phases.mjs';

/** Every layer reads what all layers before it made (Huang et al. 2017). */
class DenseNetwork extends nn.Module {
  constructor(layers, growth) {
    super();
    const widths = Array.from({ length: layers }, (_, i) => 3 + growth * i);
    this.convolutions = widths.map((width) => nn.conv2d(width, growth, { kernel: 3, padding: 1 }));
    this.head = nn.linear(3 + growth * layers, 10);
  }

  forward(images) {
    let all = images;
    for (const convolution of this.convolutions)
      all = ops.concat([all, ops.relu(convolution.forward(all))], 1);
    return this.head.forward(ops.mean(all, { axes: [2, 3] }));
  }
}

/** `layers` convolutions of 4 channels, each with an activation. */
function deepSequential(layers) {
  const pairs = Array.from({ length: layers }, (_, i) => [
    nn.conv2d(i === 0 ? 3 : 4, 4, { kernel: 3, padding: 1 }),
    nn.relu(),
  ]);
  return nn.sequential(...pairs.flat(), nn.globalAvgPool2d(), nn.flatten(), nn.linear(4, 10));
}

/** In slices, as fit does. */
async function compileStep(model) {
  const loss = losses.crossEntropy();
  const optimizer = optim.sgd({ lr: 0.1, momentum: 0.9 });
  const step = compile((images, labels) => {
    const value = loss(model.forward(images), labels);
    optimizer.update(grad(value));
    return value;
  });
  await step.prepareAsync(
    tensor(new Float32Array(2 * 3 * 16 * 16), [2, 3, 16, 16]),
    tensor(new Int32Array(2), [2]),
  );
}

async function compiling(phases, name, model) {
  model.initialize();
  await phases.measure(`compile a step of ${name}`, () => compileStep(model));
}

const CASES = {
  resnet20: (phases) => compiling(phases, 'resnet20', models.resnet20({ classes: 10 })),
  resnet110: (phases) => compiling(phases, 'resnet110', models.cifarResnet110({ classes: 10 })),
  sequential500: (phases) => compiling(phases, '500 layers in sequence', deepSequential(250)),
  dense100: (phases) => compiling(phases, '100 layers, densely connected', new DenseNetwork(100, 4)),
  vgg16: async (phases) => {
    const model = models.vgg16({ classes: 1000 });
    await phases.measure('weights of vgg16, on their own', () => model.ensureInitializedAsync());
  },
  vgg16Aside: async (phases) => {
    const model = models.vgg16({ classes: 10, imageSize: 32 });
    const set = await data.fromArrays({ images: new Uint8Array(3072), labels: [0], shape: [32, 32, 3] });
    await phases.measure('the first evaluation of vgg16 draws the weights', () =>
      evaluate(model, set, { loss: losses.crossEntropy() }),
    );
  },
  orthogonal: async (phases) => {
    const model = nn.sequential(nn.conv2d(512, 512, { kernel: 3 }));
    await phases.measure('orthogonal weights, 512 x 4608', () =>
      model.ensureInitializedAsync({ weights: 'orthogonal' }),
    );
  },
};

const [name] = process.argv.slice(2);
if (name === undefined) {
  console.log(JSON.stringify(Object.keys(CASES)));
} else {
  const phases = await Phases.begin();
  await CASES[name](phases);
  console.log(JSON.stringify(await phases.close()));
}
