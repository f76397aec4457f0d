/** The optimizers of `--optimizer`: those of lib/optim, each with the numbers that it begins with. */
import type { Module } from '../nn';
import {
  layerwiseDecay,
  optimizers,
  type Optimizer,
  type OptimizerName,
  type ParameterGroup,
} from '../optim';
import { namesOf } from './names';
import type { Network } from './networks';

/** What the command line sets of an optimizer. */
interface Numbers {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** The rate of a layer of `model`, as a share of that of the layer above it. */
  readonly layerDecay: number;
  readonly maxNorm: number | null;
}

export function makeOptimizer(name: OptimizerName, numbers: Numbers, model: Module): Optimizer {
  const { lr, momentum, weightDecay, layerDecay, maxNorm } = numbers;
  const { preset } = optimizers[name];
  const make = optimizers[name] as (options: object) => Optimizer;
  const given = preset.momentum === undefined ? {} : { momentum };
  const options: { readonly groups?: readonly ParameterGroup[] } = preset.options?.(momentum) ?? {};
  const { groups = [] } = options;
  const scaled = layerDecay === 1 ? {} : { groups: layerwiseDecay(model, { factor: layerDecay, groups }) };
  const limited = maxNorm === null ? {} : { maxNorm };
  return make({ lr, weightDecay, ...given, ...options, ...scaled, ...limited });
}

/** Optimizers that take --momentum. */
export const WITH_MOMENTUM = namesOf(optimizers).filter(
  (name) => optimizers[name].preset.momentum !== undefined,
);

/** The momentum that each of them begins with, for the help: `0.9 for sgd, lars; 0 for rmsprop`. */
export function momentumHelp(): string {
  const values = [...new Set(WITH_MOMENTUM.map((name) => optimizers[name].preset.momentum))];
  const having = (value: number | undefined): string =>
    WITH_MOMENTUM.filter((name) => optimizers[name].preset.momentum === value).join(', ');
  return values.map((value) => `${value} for ${having(value)}`).join('; ');
}

/** Pretrained weights are near a good place, which a rate for new ones would throw them out of. */
const FINE_TUNING = 10;

/** The learning rate that an optimizer begins with on a network, whose weights may be pretrained. */
export function defaultLr(network: Network, optimizer: OptimizerName, pretrained: boolean): number {
  const { lr, deep = lr, plain = lr } = optimizers[optimizer].preset;
  const rate = network.deep ? (network.batchNorm ? deep : plain) : lr;
  return pretrained ? rate / FINE_TUNING : rate;
}
