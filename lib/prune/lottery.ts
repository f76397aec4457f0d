/** The lottery ticket hypothesis (Frankle & Carbin 2019): iterative magnitude pruning with rewinding. */
import { OptionError, ShapeError } from '../errors';
import { compile } from '../compile/compile';
import { assign } from '../graph/trace';
import type { Module } from '../nn/module';
import { checkKeys, nonNegativeInteger, show } from '../options';
import type { LazyTensor } from '../tensor/lazy';
import { tensor } from '../tensor/tensor';
import { amountKeys, checkAmounts, magnitude, type AmountOptions } from './amounts';
import { checkModel } from './masks';
import { sparsity, type Sparsity } from './sparsity';

/** Copies of all parameters and buffers by name, in logical order; of no masks. */
export type Snapshot = ReadonlyMap<string, Float32Array>;

function stateOf(model: Module): Map<string, LazyTensor> {
  return new Map<string, LazyTensor>([...model.namedParameters(), ...model.namedBuffers()]);
}

/** Copies what a model's parameters and buffers hold now, to come back to. */
export async function snapshot(model: Module): Promise<Snapshot> {
  checkModel('prune.snapshot', model);
  const reads = [...stateOf(model)].map(
    async ([name, state]) => [name, Float32Array.from(await state.data())] as const,
  );
  return new Map(await Promise.all(reads));
}

/**
 * Puts a snapshot back; what is pruned by now stays 0. An optimizer keeps its state: begin with a new one.
 * @throws OptionError, ShapeError where it is not one of this model
 */
export async function rewind(model: Module, to: Snapshot): Promise<void> {
  const where = 'prune.rewind';
  checkModel(where, model);
  if (Object.prototype.toString.call(to) !== '[object Map]')
    throw new OptionError(`${where}: expected what prune.snapshot returned, got ${show(to)}`);
  const entries = [...stateOf(model)].map(([name, state]) => {
    const values = to.get(name);
    if (values === undefined) throw new OptionError(`${where}: the snapshot has no ${show(name)}`);
    if (values.length !== state.size)
      throw new ShapeError(`${where}: ${show(name)} has ${state.size} values, the snapshot ${values.length}`);
    return [state, tensor(values, state.shape)] as const;
  });
  const program = compile(() => entries.forEach(([state, values]) => assign(state, values)));
  await program();
  program.dispose();
}

export interface LotteryTicketOptions<R> extends Omit<AmountOptions, 'amount'> {
  /** How often the model is pruned. 0.8 of the weights are left after one round at 0.2, 0.21 after seven. */
  readonly rounds: number;
  /**
   * Trains the model from its present weights, with a new optimizer, and returns the result. Round 0 is
   * the whole model.
   */
  readonly train: (model: Module, round: number) => R | Promise<R>;
  /** Share of the weights left that each round prunes, as in `prune.magnitude`. Default 0.2. */
  readonly amount?: AmountOptions['amount'];
}

/** A trained ticket. */
export interface LotteryRound<R> {
  /** How often the model was pruned. */
  readonly round: number;
  readonly sparsity: Sparsity;
  /** What `train` returned. */
  readonly result: R;
  /** The weights that training began from: `prune.rewind(model, start)` makes the ticket itself. */
  readonly start: Snapshot;
}

/**
 * Finds winning tickets: trains the model, then as often as `rounds` says prunes the weights of smallest
 * magnitude, rewinds the others to what they were at the call and trains again. Yields after each training,
 * when the model holds the trained weights. Called on fresh weights it rewinds to those (Frankle & Carbin
 * 2019), called after some steps of training to these ("late resetting", Frankle et al. 2019).
 *
 * `for await (const { round, sparsity, result } of prune.lotteryTicket(model, { rounds: 7, train })) ...`
 * @throws OptionError at the call; what `train` throws ends the loop
 */
export function lotteryTicket<R>(
  model: Module,
  options: LotteryTicketOptions<R>,
): AsyncGenerator<LotteryRound<R>, void, undefined> {
  const where = 'prune.lotteryTicket';
  checkModel(where, model);
  checkKeys(where, options, ['rounds', 'train', ...amountKeys]);
  const { rounds, train, amount = 0.2, ...rest } = options ?? {};
  nonNegativeInteger(where, 'rounds', rounds);
  if (typeof train !== 'function')
    throw new OptionError(`${where}: train must be a function, got ${show(train)}`);
  const pruning = { ...rest, amount };
  checkAmounts(where, model, pruning);
  return play(model, rounds, train, pruning);
}

async function* play<R>(
  model: Module,
  rounds: number,
  train: LotteryTicketOptions<R>['train'],
  pruning: AmountOptions,
): AsyncGenerator<LotteryRound<R>, void, undefined> {
  const start = await snapshot(model);
  for (let round = 0; round <= rounds; round++) {
    if (round > 0) {
      await magnitude(model, pruning);
      await rewind(model, start);
    }
    const result = await train(model, round);
    yield { round, sparsity: await sparsity(model), result, start };
  }
}
