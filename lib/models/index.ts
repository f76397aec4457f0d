/**
 * Ready-made models: `models.lenet({ classes: 10 })`. State names are those of the same models in PyTorch.
 */
export { alexnet, type ClassifierOptions } from './alexnet';
export { cifarResnet20, cifarResnet32, cifarResnet44, cifarResnet56, cifarResnet110 } from './cifar-resnet';
export type { CifarResnetOptions } from './cifar-resnet';
export { efficientnetLite0, imagenetInception } from './efficientnet-lite0';
export type { EfficientnetOptions } from './efficientnet-lite0';
export { efficientnetPytorchNames } from './efficientnet-names';
export { fixupResnet, type FixupResnetOptions } from './fixup-resnet';
export { lenet, lenet5 } from './lenet';
export { mobilenetV2, type MobilenetOptions } from './mobilenet-v2';
export { resnet18, resnet34, resnet50, resnet101, resnet152 } from './resnet';
export { resnet20 } from './resnet20';
export { vgg11, vgg11Bn, vgg13, vgg13Bn, vgg16, vgg16Bn, vgg19, vgg19Bn } from './vgg';
export { vggs, type VggsOptions } from './vggs';
export { imagenet } from './imagenet';
export type { ModelOptions, ResidualOptions } from './options';
