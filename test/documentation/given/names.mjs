// A network, and a file that has its weights under other names.
import { nn } from 'tenon';

/** @param {string} layer @param {string} norm @param {string} head */
const network = (layer, norm, head) =>
  nn.namedSequential({
    [layer]: nn.namedSequential({ [norm]: nn.batchNorm2d(3) }),
    flatten: nn.flatten(),
    [head]: nn.linear(3, 2),
  });
await network('_layer1', '_norm', '_fc').save('weights.safetensors');

export const model = network('layer1', 'bn', 'classifier');
