/**
 * Pruning: weights that are held at 0. `await prune.magnitude(model, { amount: 0.5 })` puts masks
 * on parameters, which hold in every step from then on, under every optimizer, and are saved with the model.
 */
export { magnitude, random, type AmountOptions, type RandomOptions } from './amounts';
export {
  lotteryTicket,
  rewind,
  snapshot,
  type LotteryRound,
  type LotteryTicketOptions,
  type Snapshot,
} from './lottery';
export { masks, remove, setMasks, type MaskValues, type MatchOptions } from './masks';
export { sparsity, type Sparsity, type SparsityRow } from './sparsity';
