/** Unfreezing a model from its head down while it is trained. */
import { OptionError } from '../errors';
import { checkPatterns } from '../nn/freeze';
import { layerGroups } from '../nn/layer-groups';
import { Module } from '../nn/module';
import { checkKeys, checkList, positiveInteger, showMade } from '../options';
import type { NamePattern } from '../tensor/name-pattern';
import type { Callback } from './events';

/** Options of `gradualUnfreezing`. */
export interface GradualUnfreezingOptions {
  /**
   * What is freed, one entry after the other; each is a pattern as in `model.freeze`, or a list of them.
   * Default: `nn.layerGroups(model)` from the head down.
   */
  readonly order?: readonly (NamePattern | readonly NamePattern[])[];
  /** Epochs from one entry to the next. Default 1. */
  readonly everyEpochs?: number;
}

/**
 * A callback of `fit` that trains the first entry of `order`, the head, and has everything else frozen; after
 * every `everyEpochs` epochs it frees the next entry, too (Howard & Ruder 2018, "Universal language model
 * fine-tuning for text classification"). What is free depends on the epoch alone, so a resumed run goes on
 * with the same bits. What no entry picks stays frozen.
 * @throws OptionError, also for a pattern that picks nothing
 */
export function gradualUnfreezing(model: Module, options: GradualUnfreezingOptions = {}): Callback {
  const where = 'gradualUnfreezing';
  if (!(model instanceof Module))
    throw new OptionError(`${where}: expected a module, got ${showMade(model)}`);
  checkKeys(where, options, ['order', 'everyEpochs']);
  const everyEpochs = positiveInteger(where, 'everyEpochs', options.everyEpochs ?? 1);
  const order = orderOf(where, model, options.order);
  let free: number | undefined;
  const apply = (epochs: number): void => {
    const entries = Math.min(order.length, 1 + Math.floor(epochs / everyEpochs));
    if (entries === free) return;
    free = entries;
    model.freeze().unfreeze(...order.slice(0, entries).flat());
  };
  return {
    onEvent(event) {
      if (event.type === 'start') {
        free = undefined;
        apply(event.epoch);
      }
      if (event.type === 'epoch') apply(event.epoch);
    },
  };
}

function orderOf(
  where: string,
  model: Module,
  given: GradualUnfreezingOptions['order'],
): readonly (readonly NamePattern[])[] {
  if (given !== undefined) checkList(where, 'order', given);
  const order = given ?? [...layerGroups(model)].reverse();
  if (order.length === 0) throw new OptionError(`${where}: there is nothing to unfreeze`);
  return order.map((entry) => {
    const patterns: readonly NamePattern[] =
      typeof entry === 'string' || entry instanceof RegExp ? [entry] : entry;
    checkList(where, 'each entry of order', patterns);
    if (patterns.length === 0) throw new OptionError(`${where}: an entry of order is an empty list`);
    checkPatterns(where, model.tree(), patterns);
    return [...patterns];
  });
}
