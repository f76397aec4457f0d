/**
 * Rewrites of the graph, in order. The first ones choose between formulas, and run with and without fusion.
 * The others keep the bits of every output, so a fused program equals the unfused one, except for
 * foldBatchNorm, which is for predictions and for frozen layers.
 */
import type { Graph } from '../ir';
import { rewrite, type Rule } from '../rewrite';
import { dropUnreadOutputs } from './drop-outputs';
import { foldBatchNorm, foldFrozenBatchNorm } from './fold-batch-norm';
import { fuseActivations } from './fuse-activations';
import { fuseBatchNorm } from './fuse-batch-norm';
import { fuseInvertedResidual } from './fuse-inverted-residual';
import { fuseUpdates } from './fuse-updates';
import { movePoolGradient } from './pool-gradient';

type Pass = readonly Rule[];

const formulas: readonly Pass[] = [movePoolGradient];
// A layer that has taken up its batch norm then takes up the activation that follows.
const fuseFolding = (fold: Pass): readonly Pass[] => [fuseActivations, fuseBatchNorm, fold, fuseActivations];
const fusionsToTrain: readonly Pass[] = [...fuseFolding(foldFrozenBatchNorm), fuseUpdates, dropUnreadOutputs];
const fusionsToPredict: readonly Pass[] = [
  ...fuseFolding(foldBatchNorm),
  fuseInvertedResidual,
  dropUnreadOutputs,
];

export interface PassOptions {
  /** Default true. */
  readonly fuse?: boolean;
  /** Whether the program is for predictions. Default false. */
  readonly predict?: boolean;
}

export function runPasses(graph: Graph, { fuse = true, predict = false }: PassOptions = {}): Graph {
  const fused = predict ? fusionsToPredict : fusionsToTrain;
  return rewrite(graph, [...formulas, ...(fuse ? fused : [])]);
}
