/**
 * Rewrites of the graph, in order. The first ones choose between formulas, the same with and without fusion; the others keep every
 * output's bits: a fused program equals the unfused one.
 */
import type { Graph } from '../ir';
import { fuseActivations } from './fuse-activations';
import { fuseBatchNorm } from './fuse-batch-norm';
import { fuseUpdates } from './fuse-updates';
import { maskPooledGradients, sumPooledGradients } from './pool-gradient';

type Pass = (graph: Graph) => Graph;

const formulas: readonly Pass[] = [maskPooledGradients, sumPooledGradients];
const fusions: readonly Pass[] = [fuseActivations, fuseBatchNorm, fuseUpdates];

export function runPasses(graph: Graph, { fuse = true }: { readonly fuse?: boolean } = {}): Graph {
  return [...formulas, ...(fuse ? fusions : [])].reduce((g, pass) => pass(g), graph);
}
