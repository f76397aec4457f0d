/** The initial weights of published models, if they differ from the layers' own. */
import * as nn from '../nn';

/**
 * Convolutions normal with deviation sqrt(2 / fan) (He et al. 2015), as torchvision does with the fan-out.
 * With the fan-in, linear layers as well, as the CIFAR implementation does.
 */
export function heNormal<M extends nn.Module>(model: M, fan: 'fanIn' | 'fanOut'): M {
  for (const module of model.namedModules().values()) {
    if (module instanceof nn.Conv2d || (fan === 'fanIn' && module instanceof nn.Linear))
      module.weight.initializer = nn.init.heNormal({ mode: fan });
  }
  return model;
}

/**
 * VGG and MobileNetV2 as in torchvision: convolutions as above with the fan-out, linear layers normal with
 * deviation 0.01, every bias 0.
 */
export function torchvisionWeights<M extends nn.Module>(model: M): M {
  for (const module of heNormal(model, 'fanOut').namedModules().values()) {
    if (module instanceof nn.Linear) module.weight.initializer = nn.init.normal(0, 0.01);
    if ((module instanceof nn.Linear || module instanceof nn.Conv2d) && module.bias !== undefined)
      module.bias.initializer = nn.init.constant(0);
  }
  return model;
}

/**
 * EfficientNets as in TensorFlow and timm: convolutions normal with deviation sqrt(2 / fan-out of a group),
 * linear layers uniform within 1 / sqrt(outputs), every bias 0.
 */
export function efficientnetWeights<M extends nn.Module>(model: M): M {
  for (const module of model.namedModules().values()) {
    if (module instanceof nn.Conv2d) {
      const { kernel, outChannels, groups } = module as nn.Conv2d;
      const fanOut = (kernel[0] * kernel[1] * outChannels) / groups;
      module.weight.initializer = nn.init.normal(0, Math.sqrt(2 / fanOut));
    } else if (module instanceof nn.Linear) {
      const bound = 1 / Math.sqrt((module as nn.Linear).outFeatures);
      module.weight.initializer = nn.init.uniform(-bound, bound);
    } else continue;
    if (module.bias !== undefined) module.bias.initializer = nn.init.constant(0);
  }
  return model;
}
