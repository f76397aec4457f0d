/**
 * Rewrites of the graph, in order. The first ones choose between formulas, the same with and without fusion; the others keep every
 * output's bits: a fused program equals the unfused one. The exception is foldBatchNorm, which is for predictions only.
 */
import type { Graph } from '../ir';
import { foldBatchNorm } from './fold-batch-norm';
import { fuseActivations } from './fuse-activations';
import { fuseBatchNorm } from './fuse-batch-norm';
import { fuseUpdates } from './fuse-updates';
import { dropUnreadTaps, maskPooledGradients, sumPooledGradients } from './pool-gradient';

type Pass = (graph: Graph) => Graph;

const formulas: readonly Pass[] = [maskPooledGradients, sumPooledGradients];
const fusions: readonly Pass[] = [fuseBatchNorm, fuseActivations, fuseUpdates, dropUnreadTaps];
// A layer that has taken up its batch norm then takes up the activation that follows.
const fusionsToPredict: readonly Pass[] = [fuseBatchNorm, foldBatchNorm, fuseActivations, dropUnreadTaps];

export interface PassOptions {
  /** Default true. */
  readonly fuse?: boolean;
  /** Whether the program is for predictions. Default false. */
  readonly predict?: boolean;
}

export function runPasses(graph: Graph, { fuse = true, predict = false }: PassOptions = {}): Graph {
  const fused = predict ? fusionsToPredict : fusions;
  return [...formulas, ...(fuse ? fused : [])].reduce((g, pass) => pass(g), graph);
}
