/** Ready-made models: `models.lenet({ classes: 10 })`. State names are those of the same models in PyTorch. */
export { fixupResnet, type FixupResnetOptions } from './fixup-resnet';
export { lenet, lenet5 } from './lenet';
export { resnet18 } from './resnet18';
export { resnet20 } from './resnet20';
export { vggs, type VggsOptions } from './vggs';
export type { ModelOptions } from './options';
