/** What batch norm and instance norm share: parameters, running statistics, and their names in files. */
import { ShapeError } from '../../errors';
import { assign, currentTrace } from '../../graph/trace';
import * as ops from '../../ops';
import { bool, checkKeys, clip, positive, positiveInteger, probability } from '../../options';
import type { Parameter } from '../../tensor/parameter';
import { formatShape } from '../../tensor/shape';
import { runtimeScalar, type Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { buffer, type StateBuffer } from '../buffer';
import { constant } from '../init/initializers';
import { parameter } from '../parameter';
import { Module } from '../module';
import type { Channels } from '../typing';

/** Options of normalization per channel; the layers say what they default to. */
export interface ChannelNormOptions {
  readonly eps?: number;
  readonly momentum?: number;
  readonly affine?: boolean;
  readonly trackRunningStats?: boolean;
}

/** An op's name and where in the model it stands, in front of messages. */
export function place(kind: string, module: Module): string {
  return module.path === '' ? kind : `${kind} '${clip(module.path)}'`;
}

const lengths: Readonly<Record<2 | 3 | 4, string>> = { 2: '', 3: ', L', 4: ', H, W' };

/** A layer with a weight, a bias and running statistics for each channel, axis 1. */
export abstract class ChannelNorm<C extends number> extends Module {
  static override readonly runtimeFields: readonly string[] = ['momentum', 'momentumScalar'];
  declare readonly channels?: Channels<C, C>;
  readonly features: C;
  readonly eps: number;
  /** May be changed between steps. */
  momentum: number;
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly runningMean: StateBuffer | undefined;
  readonly runningVar: StateBuffer | undefined;
  protected abstract readonly rank: 2 | 3 | 4;
  private readonly momentumScalar = runtimeScalar(() => this.momentum);

  constructor(
    where: string,
    features: C,
    options: ChannelNormOptions,
    defaults: { readonly affine: boolean; readonly tracked: boolean },
  ) {
    super();
    checkKeys(where, options, ['eps', 'momentum', 'affine', 'trackRunningStats']);
    this.features = positiveInteger(where, 'features', features) as C;
    // Only what is not given has a default: PyTorch's momentum None is another rule, the mean of all batches.
    const { eps = 1e-5, momentum = 0.1, affine = defaults.affine } = options;
    const { trackRunningStats: tracked = defaults.tracked } = options;
    this.eps = positive(where, 'eps', eps);
    this.momentum = probability(where, 'momentum', momentum);
    bool(where, 'affine', affine);
    bool(where, 'trackRunningStats', tracked);
    this.weight = affine ? parameter([features], constant(1)) : undefined;
    this.bias = affine ? parameter([features], constant(0)) : undefined;
    this.runningMean = tracked ? buffer([features], 0) : undefined;
    this.runningVar = tracked ? buffer([features], 1) : undefined;
  }

  override members(): Iterable<[string, unknown]> {
    return Object.entries({
      weight: this.weight,
      bias: this.bias,
      running_mean: this.runningMean,
      running_var: this.runningVar,
    });
  }

  override config(): Json {
    const { features, eps, momentum } = this;
    return {
      features,
      eps,
      momentum,
      affine: this.weight !== undefined,
      trackRunningStats: this.runningMean !== undefined,
    };
  }

  /** @throws ShapeError */
  protected checkInput(op: string, x: Tensor): void {
    if (x.rank === this.rank && x.shape[1] === this.features) return;
    const expected = `[N, ${this.features}${lengths[this.rank]}]`;
    throw new ShapeError(`${place(op, this)}: expects x ${expected}, got ${formatShape(x.shape)}`);
  }

  protected gamma(): Tensor {
    return this.weight ?? ops.ones([this.features]);
  }

  protected beta(): Tensor {
    return this.bias ?? ops.full([this.features], 0);
  }

  /** Moves the running statistics, of `count` values a channel, in a compiled training step; outside one nothing is moved. */
  protected track(count: number, batch: () => readonly [mean: Tensor, variance: Tensor]): void {
    const { runningMean, runningVar } = this;
    if (runningMean === undefined || runningVar === undefined || !this.training) return;
    if (currentTrace() === undefined) return;
    const running = [runningMean, runningVar] as const;
    const [m, v] = ops.batchNormRunning(running, batch(), this.momentumScalar, count);
    assign(runningMean, m);
    assign(runningVar, v);
  }
}
