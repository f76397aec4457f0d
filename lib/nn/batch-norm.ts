/** Batch normalization layers; the formula is in lib/ops/batch-norm.ts. */
import { ShapeError } from '../errors';
import { assign, currentTrace } from '../graph/trace';
import * as ops from '../ops';
import { bool, checkKeys, positive, positiveInteger, probability } from '../options';
import type { Parameter } from '../tensor/parameter';
import { formatShape } from '../tensor/shape';
import { runtimeScalar, type Tensor } from '../tensor/tensor';
import type { Json } from './architecture';
import { buffer, type StateBuffer } from './buffer';
import { constant, parameter } from './init';
import { Module } from './module';
import type { Channels } from './typing';

export interface BatchNormOptions {
  /** Added to the variance, above 0. Default 1e-5. */
  readonly eps?: number;
  /** Share of the newest batch in the running statistics, from 0 to 1. Default 0.1. */
  readonly momentum?: number;
  /** Whether there are a weight and a bias per channel. Default true. */
  readonly affine?: boolean;
  /** False normalizes by the batch in evaluation as well. Default true. */
  readonly trackRunningStats?: boolean;
}

/**
 * In training, normalizes by the batch and, inside a compiled function, moves the running statistics; outside one nothing is moved,
 * since recipes have no effects. In evaluation, normalizes by the running statistics.
 */
export abstract class BatchNorm<C extends number> extends Module {
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
  private readonly momentumScalar = runtimeScalar(() => this.momentum);

  constructor(where: string, features: C, options: BatchNormOptions) {
    super();
    checkKeys(where, options, ['eps', 'momentum', 'affine', 'trackRunningStats']);
    this.features = positiveInteger(where, 'features', features) as C;
    this.eps = positive(where, 'eps', options.eps ?? 1e-5);
    this.momentum = probability(where, 'momentum', options.momentum ?? 0.1);
    const affine = bool(where, 'affine', options.affine ?? true);
    this.weight = affine ? parameter([features], constant(1)) : undefined;
    this.bias = affine ? parameter([features], constant(0)) : undefined;
    const tracked = bool(where, 'trackRunningStats', options.trackRunningStats ?? true);
    this.runningMean = tracked ? buffer([features], 0) : undefined;
    this.runningVar = tracked ? buffer([features], 1) : undefined;
  }

  protected abstract readonly rank: 2 | 4;

  override members(): Iterable<[string, unknown]> {
    return Object.entries({
      weight: this.weight,
      bias: this.bias,
      running_mean: this.runningMean,
      running_var: this.runningVar,
    });
  }

  override forward(x: Tensor): Tensor {
    if (x.rank !== this.rank || x.shape[1] !== this.features) {
      const expected = this.rank === 4 ? `[N, ${this.features}, H, W]` : `[N, ${this.features}]`;
      const place = this.path === '' ? 'batch_norm' : `batch_norm '${this.path}'`;
      throw new ShapeError(`${place}: expects x ${expected}, got ${formatShape(x.shape)}`);
    }
    const gamma = this.weight ?? ops.ones([this.features]);
    const beta = this.bias ?? ops.full([this.features], 0);
    if (!this.training && this.runningMean !== undefined && this.runningVar !== undefined) {
      return ops.batchNormEval(x, gamma, beta, this.runningMean, this.runningVar, this.eps);
    }
    const { y, mean, variance } = ops.batchNormTrain(x, gamma, beta, this.eps);
    if (this.training) this.track(mean, variance, x.size / this.features);
    return y;
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

  private track(mean: Tensor, variance: Tensor, count: number): void {
    const { runningMean, runningVar } = this;
    if (runningMean === undefined || runningVar === undefined || currentTrace() === undefined) return;
    const [m, v] = ops.batchNormRunning(
      [runningMean, runningVar],
      [mean, variance],
      this.momentumScalar,
      count,
    );
    assign(runningMean, m);
    assign(runningVar, v);
  }
}

/** Of [N, C]. */
export class BatchNorm1d<C extends number = number> extends BatchNorm<C> {
  static override readonly kind: string = 'batchNorm1d';
  protected readonly rank = 2;

  constructor(features: C, options: BatchNormOptions = {}) {
    super('nn.batchNorm1d', features, options);
  }
}

/** Of [N, C, H, W]. */
export class BatchNorm2d<C extends number = number> extends BatchNorm<C> {
  static override readonly kind: string = 'batchNorm2d';
  protected readonly rank = 4;

  constructor(features: C, options: BatchNormOptions = {}) {
    super('nn.batchNorm2d', features, options);
  }
}

/** Batch normalization of [N, C]. Parameters and buffers as in PyTorch, without num_batches_tracked. @throws OptionError */
export function batchNorm1d<const C extends number>(
  features: C,
  options: BatchNormOptions = {},
): BatchNorm1d<C> {
  return new BatchNorm1d(features, options);
}

/** Batch normalization of [N, C, H, W]. Parameters and buffers as in PyTorch, without num_batches_tracked. @throws OptionError */
export function batchNorm2d<const C extends number>(
  features: C,
  options: BatchNormOptions = {},
): BatchNorm2d<C> {
  return new BatchNorm2d(features, options);
}
