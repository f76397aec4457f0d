/**
 * Several processes that work together, on one machine or many: ranks that a launcher of MPI has started
 * (`mpirun -n 4 node program.mjs`). docs/distributed.md has more.
 */
export { join, type JoinOptions } from './join';
export { World, type BroadcastOptions, type MpiInfo, type SumOptions } from './world';
