/** Rewrites of the graph, in order. Each keeps every output's bits: a fused program equals the unfused one. */
import type { Graph } from '../ir';
import { fuseActivations } from './fuse-activations';
import { fuseBatchNorm } from './fuse-batch-norm';

const passes: readonly ((graph: Graph) => Graph)[] = [fuseActivations, fuseBatchNorm];

export function runPasses(graph: Graph): Graph {
  return passes.reduce((g, pass) => pass(g), graph);
}
