/** Initializers, by name `nn.init`. */
export * from './init';
export { orthogonal, truncatedNormal, type TruncatedNormalOptions } from './init-host';
export type { InitializerLike, InitializerName, InitRules } from './init-rule';
export {
  dataDependent,
  lsuv,
  type DataDependentOptions,
  type LsuvLayer,
  type LsuvOptions,
} from './init-data';
