/** Residual blocks. Adding one: its file here, its test in test/nn, and a line below. */
export { basicBlock, BasicBlock, type BasicBlockOptions } from './basic-block';
export { bottleneck, Bottleneck } from './bottleneck';
export { cifarBlock, CifarBlock, type CifarBlockOptions } from './cifar-block';
export { fixupBlock, FixupBlock, type FixupBlockOptions } from './fixup-block';
export { invertedResidual, InvertedResidual, type InvertedResidualOptions } from './inverted-residual';
export { padShortcut, PadShortcut } from './pad-shortcut';
export type { ResidualBlockOptions } from './parts';
export { residualBlock, ResidualBlock } from './residual-block';
