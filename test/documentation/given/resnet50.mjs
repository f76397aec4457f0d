// A file of weights for a ResNet-50, as PyTorch's names them.
import { models } from 'tenon';

await models.resnet50().initialize({ weights: 'zeros' }).save('resnet50.safetensors');
