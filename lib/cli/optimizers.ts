/** The optimizers of `--optimizer`, and the numbers that each begins with. */
import * as optim from '../optim';
import { named, namesOf } from './names';
import type { Network } from './networks';

/** What the command line sets of an optimizer. */
interface Numbers {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

interface Entry {
  readonly make: (numbers: Numbers) => optim.Optimizer;
  readonly lr: number;
  /** The rate for deep networks with batch norm, where it is another. */
  readonly deep?: number;
  /** The rate for deep networks without. */
  readonly plain?: number;
  /** Absent where the optimizer has none. */
  readonly momentum?: number;
  readonly weightDecay: number;
}

/** Biases and norms neither decay nor have their rates adapted. */
const groups = [optim.noDecay({ adapt: false })];

export const OPTIMIZERS = named<Entry>()({
  sgd: {
    make: ({ lr, momentum, weightDecay }) => optim.sgd({ lr, momentum, weightDecay, nesterov: momentum > 0 }),
    lr: 0.02,
    deep: 0.1,
    plain: 0.01,
    momentum: 0.9,
    weightDecay: 5e-4,
  },
  adagrad: { make: ({ lr, weightDecay }) => optim.adagrad({ lr, weightDecay }), lr: 0.01, weightDecay: 0 },
  rmsprop: {
    make: ({ lr, momentum, weightDecay }) => optim.rmsprop({ lr, momentum, weightDecay }),
    lr: 0.001,
    momentum: 0,
    weightDecay: 0,
  },
  adam: { make: ({ lr, weightDecay }) => optim.adam({ lr, weightDecay }), lr: 0.001, weightDecay: 0 },
  adamw: { make: ({ lr, weightDecay }) => optim.adamw({ lr, weightDecay }), lr: 0.001, weightDecay: 0.01 },
  nadam: { make: ({ lr, weightDecay }) => optim.nadam({ lr, weightDecay }), lr: 0.002, weightDecay: 0 },
  lars: {
    make: ({ lr, momentum, weightDecay }) => optim.lars({ lr, momentum, weightDecay, groups }),
    lr: 1,
    momentum: 0.9,
    weightDecay: 5e-4,
  },
  lamb: {
    make: ({ lr, weightDecay }) => optim.lamb({ lr, weightDecay, groups }),
    lr: 0.002,
    weightDecay: 0.01,
  },
});

export type OptimizerName = keyof typeof OPTIMIZERS;

/** Optimizers that take --momentum. */
export const WITH_MOMENTUM = namesOf(OPTIMIZERS).filter((name) => OPTIMIZERS[name].momentum !== undefined);

/** The momentum that each of them begins with, for the help: `0.9 for sgd, lars; 0 for rmsprop`. */
export function momentumHelp(): string {
  const values = [...new Set(WITH_MOMENTUM.map((name) => OPTIMIZERS[name].momentum))];
  const having = (value: number | undefined): string =>
    WITH_MOMENTUM.filter((name) => OPTIMIZERS[name].momentum === value).join(', ');
  return values.map((value) => `${value} for ${having(value)}`).join('; ');
}

/** The learning rate that an optimizer begins with on a network. */
export function defaultLr({ deep, batchNorm }: Network, optimizer: OptimizerName): number {
  const { lr, deep: rate = lr, plain = lr } = OPTIMIZERS[optimizer];
  if (!deep) return lr;
  return batchNorm ? rate : plain;
}
