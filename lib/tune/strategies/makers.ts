/** Every strategy: one line makes it public, and `tenon tune --strategy` takes it. */
export { random, type RandomOptions } from './random';
export { grid, type GridOptions } from './grid';
export { tpe, type TpeOptions } from './tpe';
export { coarseToFine, type CoarseToFineOptions } from './coarse-to-fine';
export { cmaEs, type CmaEsOptions } from './cma-es';
export { gp, type GpOptions } from './gp/gp';
export { successiveHalving, type SuccessiveHalvingOptions } from './successive-halving';
export { hyperband, type HyperbandOptions } from './hyperband';
