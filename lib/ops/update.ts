/**
 * Updates of persistent state: optimizers over all parameters of a group in one kernel, accumulators,
 * the finite guard.
 */
import { ShapeError } from '../errors';
import type { Facts, UpdateForm } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import { checkList, checkObject } from '../options';
import { formatShape, sameShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkScalar } from './checks';

/** Tensors of one parameter group, entry i of each list belonging to parameter i. */
export interface UpdateOperands {
  readonly weights: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  /** State lists in the kernel's order, for example momentum; then second moments. */
  readonly states: readonly (readonly Tensor[])[];
  /** f32, rank 0: multiplies every gradient (clipping by global norm). */
  readonly scale?: Tensor;
}

interface UpdateAttrs extends UpdateForm {
  readonly count: number;
  readonly scaled: boolean;
}

/** What passes may do with the updates of a rule. */
type UpdateFacts = Pick<Facts<UpdateAttrs>, 'splits'>;

/** `values` in lists of `count`. */
function listsOf<T>(values: readonly T[], count: number): T[][] {
  return Array.from({ length: values.length / count }, (_, i) => values.slice(i * count, (i + 1) * count));
}

/** The op of an optimizer's kernel. */
function updateOp(name: string, facts: UpdateFacts): OpRecord<UpdateAttrs> {
  return {
    ...facts,
    name,
    bf16: 'f32',
    infer: (inputs, { count, scalars, scaled }) => {
      for (const s of inputs.slice(0, scalars)) checkScalar(name, 'each hyper-parameter', s);
      const tensors = inputs.slice(scalars + Number(scaled));
      const [weights = [], , ...states] = listsOf(tensors, count);
      tensors.forEach((t, i) => {
        checkDType(name, 'each operand', t, 'f32');
        const weight = weights[i % count]!;
        if (!sameShape(t.shape, weight.shape)) {
          throw new ShapeError(
            `${name}: operand ${i} is ${formatShape(t.shape)}, its parameter ${formatShape(weight.shape)}`,
          );
        }
      });
      return [...weights, ...states.flat()].map(({ shape }) => ({ shape, dtype: 'f32' }));
    },
    inPlaceState: ({ count, states, scalars, scaled }) => {
      const begin = scalars + Number(scaled);
      return Array.from({ length: (1 + states) * count }, (_, i) => [i, begin + (i < count ? i : i + count)]);
    },
    lower: (l, { flags, scaled }) => l.call(name, l.inputs, l.outputs, { ...flags, hasScale: scaled }),
  };
}

/** New weights and states, in the order of the operands. */
export interface Updated {
  readonly weights: Tensor[];
  readonly states: Tensor[][];
}

/** @throws OptionError unless there are lists of one length */
function checkOperands(where: string, o: UpdateOperands): void {
  checkObject(where, 'operands', o);
  checkList(where, 'weights', o.weights);
  checkList(where, 'states', o.states);
  for (const [name, list] of [['gradients', o.gradients] as const, ...o.states.entries()]) {
    checkList(where, `${name}`, list);
    if (list.length !== o.weights.length)
      throw new ShapeError(`${where}: ${o.weights.length} weights, but a list of ${list.length} beside them`);
  }
}

/** Applies the op of a rule; scalars are in the kernel's order. */
function applyUpdate(
  op: OpRecord<UpdateAttrs>,
  scalars: readonly Tensor[],
  flags: UpdateAttrs['flags'],
  o: UpdateOperands,
): Updated {
  checkOperands(op.name, o);
  const count = o.weights.length;
  const attrs = {
    count,
    states: o.states.length,
    scalars: scalars.length,
    scaled: o.scale !== undefined,
    flags,
  };
  const scale = o.scale === undefined ? [] : [o.scale];
  const outputs = applyOp(
    op,
    [...scalars, ...scale, ...o.weights, ...o.gradients, ...o.states.flat()],
    attrs,
  );
  const [weights = [], ...states] = listsOf(outputs, count);
  return { weights, states: o.states.map((_, i) => states[i] ?? []) };
}

/** Runtime scalars of a rule by name: f64, rank 0. `step` counts from 1. */
export type Scalars<S extends string> = Readonly<Record<S, Tensor>>;

/** Where a rule leaves a choice. All default to false. */
export type Flags<F extends string> = { readonly [K in F]?: boolean };

/**
 * One step of an optimizer for a group of parameters, in one kernel call: returns the new weights and states.
 */
export interface UpdateRule<S extends string = string, F extends string = string> {
  (scalars: Scalars<S>, operands: UpdateOperands, flags?: Flags<F>): Updated;
  /** Names of the scalars, in the kernel's order. */
  readonly scalars: readonly S[];
}

/**
 * The rule that the kernel of this name computes.
 * @param scalars names of its runtime scalars, in the kernel's order
 * @param flags names of its attributes
 * @param facts of the rule's op
 */
export function updateRule<const S extends string, const F extends string>(
  name: string,
  scalars: readonly S[],
  flags: readonly F[],
  facts: UpdateFacts = {},
): UpdateRule<S, F> {
  const op = updateOp(name, facts);
  const update = (given: Scalars<S>, operands: UpdateOperands, chosen: Flags<F> = {}): Updated => {
    checkObject(name, 'scalars', given);
    checkObject(name, 'flags', chosen);
    return applyUpdate(
      op,
      scalars.map((scalar) => given[scalar]),
      Object.fromEntries(flags.map((flag) => [flag, chosen[flag] ?? false])),
      operands,
    );
  };
  return Object.assign(update, { scalars });
}

/**
 * The fact of SGD: {@link sgdProductOp} updates one parameter. Not with clipping, which scales its gradient.
 */
export const splitsProduct: UpdateFacts['splits'] = (attrs, inputs, outputs, gradient, factors) => {
  const { count, scalars, scaled, states, flags } = attrs;
  if (scaled) return undefined;
  const hyper = inputs.slice(0, scalars);
  const operands = listsOf(inputs.slice(scalars), count);
  const results = listsOf(outputs, count);
  const [, gradients = []] = operands;
  const at = gradients.indexOf(gradient);
  if (at < 0) return undefined;
  const others = <T>(lists: readonly T[][]): T[] => lists.flatMap((list) => list.filter((_, i) => i !== at));
  const [weight, , ...own] = operands.map((list) => list[at]!);
  return {
    rest: {
      attrs: { ...attrs, count: count - 1 },
      inputs: [...hyper, ...others(operands)],
      outputs: others(results),
    },
    split: {
      attrs: { scalars, states, flags },
      inputs: [...hyper, weight!, ...factors, ...own],
      outputs: results.map((list) => list[at]!),
    },
  };
};

/**
 * SGD for a weight [M, N] whose gradient is a^T b of a [K, M] and b [K, N], which is
 * never stored. Inputs: the scalars, w, a, b, (velocity); outputs: the new w, (velocity).
 * Made by lib/compile/passes/fuse-updates.ts.
 */
export const sgdProductOp: OpRecord<UpdateForm> = {
  name: 'sgd_product',
  bf16: 'f32',
  infer: (inputs, { scalars }) => {
    const [weight, , , ...states] = inputs.slice(scalars);
    return [weight!, ...states].map(({ shape }) => ({ shape, dtype: 'f32' }));
  },
  inPlaceState: ({ scalars, states }) => [
    [0, scalars],
    ...Array.from({ length: states }, (_, i) => [1 + i, scalars + 3 + i] as const),
  ],
  lower: (l, { flags }) => l.call('sgd_product', l.inputs, l.outputs, flags),
};

/**
 * Sum of the squares of a^T b, without making it. Inputs a [K, M] and b [K, N], K at
 * most {@link productSquaresLimit}.
 */
export const productSquaresOp: OpRecord<null> = {
  name: 'product_squares',
  bf16: 'f32',
  infer: () => [{ shape: [], dtype: 'f32' }],
  lower: (l) => l.call('product_squares', l.inputs, l.outputs),
};

export const productSquaresLimit = 64;

const runningMeanOp: OpRecord<{ readonly count: number }> = {
  name: 'running_mean',
  bf16: 'f32',
  infer: ([share, ...lists], { count }) => {
    checkScalar('runningMean', 'share', share!);
    lists.forEach((t, i) => {
      checkDType('runningMean', 'each operand', t, 'f32');
      const mean = lists[i % count]!;
      if (sameShape(t.shape, mean.shape)) return;
      throw new ShapeError(
        `runningMean: operand ${i} is ${formatShape(t.shape)}, its mean ${formatShape(mean.shape)}`,
      );
    });
    return lists.slice(0, count).map(({ shape }) => ({ shape, dtype: 'f32' }));
  },
  inPlaceState: ({ count }) => Array.from({ length: count }, (_, i) => [i, 1 + i]),
  lower: (l) => l.call('running_mean', l.inputs, l.outputs),
};

/**
 * mean + share (x - mean) for lists of tensors, in one pass over all; a share of 1 returns x, whatever the
 * mean holds. `share` is a runtime scalar. Averages of weights and of gradients are made of it.
 */
export function runningMean(share: Tensor, means: readonly Tensor[], xs: readonly Tensor[]): Tensor[] {
  checkList('runningMean', 'means', means);
  checkList('runningMean', 'xs', xs);
  if (means.length === 0 || means.length !== xs.length)
    throw new ShapeError(`runningMean: ${means.length} means for ${xs.length} tensors`);
  return [...applyOp(runningMeanOp, [share, ...means, ...xs], { count: means.length })];
}

const accumulateOp: OpRecord<null> = {
  name: 'accumulate',
  bf16: 'f32',
  infer: ([total, x]) => {
    checkDType('accumulate', 'total', total!, 'f64');
    checkDType('accumulate', 'x', x!, 'f32');
    if (total!.size !== x!.size)
      throw new ShapeError(`accumulate: total is ${formatShape(total!.shape)}, x ${formatShape(x!.shape)}`);
    return [{ shape: total!.shape, dtype: 'f64' }];
  },
  inPlaceState: () => [[0, 0]],
  lower: (l) => l.call('accumulate', l.inputs, l.outputs),
};

/** total + x in f64; assign it back to `total` to keep a running sum that nothing has to wait for. */
export function accumulate(total: Tensor, x: Tensor): Tensor {
  return first(applyOp(accumulateOp, [total, x], null));
}

const guardOp: OpRecord<null> = {
  name: 'finite_guard',
  bf16: 'f32',
  schedule: 'gate',
  infer: ([guard]) => {
    checkDType('finite_guard', 'guard', guard!, 'i32');
    return [{ shape: guard!.shape, dtype: 'i32' }];
  },
  inPlaceState: () => [[0, 0]],
  lower: (l) => l.call('finite_guard', l.inputs, l.outputs),
};

/**
 * Watches values of rank 0 (loss, gradient norm). As soon as one is not finite, `guard` (i32 [1], persistent)
 * becomes 1 and this run and all later ones commit nothing: parameters, optimizer state and statistics stay
 * the last good ones. Assign the result to `guard`.
 */
export function finiteGuard(guard: Tensor, watched: readonly Tensor[]): Tensor {
  checkList('finite_guard', 'watched', watched);
  return first(applyOp(guardOp, [guard, ...watched], null));
}
