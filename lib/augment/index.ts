/**
 * Augmentation of training images: what is done to each on its way into a batch, natively, in the step's own
 * program, in the order of the list. What happens to an image is a function of (seed, epoch, sample, its
 * occurrence in the epoch, place in the list): the same whatever the batch size, the threads or a resume.
 * Adding one: CONTRIBUTING.md.
 */
export { apply, type ApplyOptions, type Pixels } from './apply';
export type { Augmentation, Draws, ImageBatch, Stage } from './augmentation';
export { oneOf, sequence, someOf } from './choose';
export type { OneOfOptions, SequenceOptions, SomeOfOptions } from './choose';
export { custom, type CustomModuleOptions, type CustomOptions } from './custom';
export type { CustomFunction, CustomImage, RandomNumbers } from './custom-images';
export * from './makers';
export { fitColorPca, type ColorComponents } from './fit-color-pca';
export { cutmix, mixup, type MixingOptions } from './mixing';
export { policy, type PolicyOptions } from './policy';
export {
  policyOperations,
  type MagnitudeSpace,
  type PolicyOperation,
  type PolicyStep,
  type SubPolicy,
} from './policy-operations';
