/**
 * Terms of the loss that depend on weights alone:
 * `new Trainer(model, { regularizer: regularizers.l2(1e-4) })`, or in a loop of your
 * own `ops.add(loss, regularizer(model))`.
 */
export { l1, l2, type Penalty, type PenaltyOptions, type Regularizer } from './penalty';
