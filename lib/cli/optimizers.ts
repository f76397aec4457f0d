/** The optimizers of `--optimizer`: those of lib/optim, each with the numbers that it begins with. */
import * as optim from '../optim';
import { namesOf } from './names';
import type { Network } from './networks';

export type OptimizerName = optim.OptimizerName;

/** What the command line sets of an optimizer. */
interface Numbers {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

interface Entry extends optim.Preset {
  readonly make: (numbers: Numbers) => optim.Optimizer;
}

function entryOf(name: OptimizerName): Entry {
  const { preset } = optim.optimizers[name];
  const make = optim.optimizers[name] as (options: object) => optim.Optimizer;
  return {
    ...preset,
    make: ({ lr, momentum, weightDecay }) => {
      const given = preset.momentum === undefined ? {} : { momentum };
      return make({ lr, weightDecay, ...given, ...preset.options?.(momentum) });
    },
  };
}

export const OPTIMIZERS = Object.fromEntries(
  namesOf(optim.optimizers).map((name) => [name, entryOf(name)]),
) as Readonly<Record<OptimizerName, Entry>>;

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
