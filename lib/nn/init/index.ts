/** Initializers, by name `nn.init`. */
export * from './initializers';
export { parameter } from '../parameter';
export { orthogonal } from './orthogonal';
export { truncatedNormal, type TruncatedNormalOptions } from './truncated-normal';
export type { InitializerLike, InitializerName, InitRules } from './rules';
export { dataDependent, type DataDependentOptions } from './data-dependent';
export { lsuv, type LsuvLayer, type LsuvOptions } from './lsuv';
