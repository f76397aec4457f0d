/** What batch norm and instance norm share: parameters, running statistics, and their names in files. */
import { ShapeError } from '../../errors';
import { assign, currentTrace } from '../../graph/trace';
import * as ops from '../../ops';
import { clip, probability as checkProbability } from '../../options';
import {
  bool,
  declareSettings,
  positive,
  positiveInteger,
  probability,
  type OptionsOf,
} from '../../settings';
import type { Parameter } from '../../tensor/parameter';
import { formatShape } from '../../tensor/shape';
import { runtimeScalar, type Tensor } from '../../tensor/tensor';
import { buffer, type StateBuffer } from '../buffer';
import { constant } from '../init/initializers';
import { parameter } from '../parameter';
import { withArguments } from '../layer';
import type { Module } from '../module';
import type { Channels } from '../typing';
import { WIDTH, type Width } from '../width';

export const featureArguments = declareSettings({
  features: positiveInteger('Channels, axis 1 of the input.'),
});

/** Added to the variance, as in every normalization. */
export const eps = positive('Added to the variance, above 0.', { default: 1e-5 });

/** Settings that have the same defaults in batch norm and in instance norm. */
export const normSettings = {
  eps,
  momentum: probability('Share of the newest batch in the running statistics, from 0 to 1.', {
    default: 0.1,
  }),
};

/** An op's name and where in the model it stands, in front of messages. */
export function place(kind: string, module: Module): string {
  return module.path === '' ? kind : `${kind} '${clip(module.path)}'`;
}

const lengths: Readonly<Record<2 | 3 | 4, string>> = { 2: '', 3: ', L', 4: ', H, W' };

/** The settings of batch norm. Instance norm has other defaults for the last two. */
export const batchNormSettings = declareSettings({
  ...normSettings,
  affine: bool('Whether there are a weight and a bias per channel, ones and zeros at first.', {
    default: true,
  }),
  trackRunningStats: bool(
    'Whether evaluation normalizes by running statistics. False normalizes by the batch in evaluation as well.',
    { default: true },
  ),
});

export type BatchNormOptions = OptionsOf<typeof batchNormSettings>;

/** A layer with a weight, a bias and running statistics for each channel, axis 1. */
export abstract class ChannelNorm<C extends number> extends withArguments(
  featureArguments,
  batchNormSettings,
) {
  static override readonly runtimeFields: readonly string[] = ['momentum', 'momentumScalar'];
  declare readonly channels?: Channels<C, C>;
  declare readonly features: C;
  /** May be changed between steps. */
  declare momentum: number;
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly runningMean: StateBuffer | undefined;
  readonly runningVar: StateBuffer | undefined;
  protected abstract readonly rank: 2 | 3 | 4;
  private readonly momentumScalar = runtimeScalar(() => this.momentum);

  protected constructor(features: C, options: BatchNormOptions) {
    super({ features }, options);
    // PyTorch's momentum None is another rule, the mean of all batches.
    if (options.momentum === null) checkProbability(`nn.${this.kind}`, 'momentum', null);
    const [affine, tracked] = [this.affine, this.trackRunningStats];
    this.weight = affine ? parameter([features], constant(1)) : undefined;
    this.bias = affine ? parameter([features], constant(0)) : undefined;
    this.runningMean = tracked ? buffer([features], 0) : undefined;
    this.runningVar = tracked ? buffer([features], 1) : undefined;
  }

  /** @internal */
  override get [WIDTH](): Width {
    return this.features;
  }

  override members(): Iterable<[string, unknown]> {
    return Object.entries({
      weight: this.weight,
      bias: this.bias,
      running_mean: this.runningMean,
      running_var: this.runningVar,
    });
  }

  /** @throws ShapeError */
  protected checkInput(op: string, x: Tensor): void {
    if (x.rank === this.rank && x.shape[1] === this.features) return;
    const expected = `[N, ${this.features}${lengths[this.rank]}]`;
    throw new ShapeError(`${place(op, this)}: expects x ${expected}, got ${formatShape(x.shape)}`);
  }

  /** The weight [features]; ones where the layer has none. */
  protected gamma(): Tensor {
    return this.weight ?? ops.ones([this.features]);
  }

  /** The bias [features]; zeros where the layer has none. */
  protected beta(): Tensor {
    return this.bias ?? ops.full([this.features], 0);
  }

  /** The running statistics where the layer normalizes by them: in evaluation, or where they are frozen. */
  protected fixed(): readonly [mean: StateBuffer, variance: StateBuffer] | undefined {
    const { runningMean, runningVar } = this;
    if (runningMean === undefined || runningVar === undefined) return undefined;
    return this.frozenStatistics || !this.training ? [runningMean, runningVar] : undefined;
  }

  /** Whether there are running statistics that training leaves as they are. */
  get frozenStatistics(): boolean {
    return this.runningMean?.frozen === true || this.runningVar?.frozen === true;
  }

  /**
   * Moves the running statistics, of `count` values a channel, in a compiled training step; outside one
   * nothing is moved.
   */
  protected track(count: number, batch: () => readonly [mean: Tensor, variance: Tensor]): void {
    const { runningMean, runningVar } = this;
    if (runningMean === undefined || runningVar === undefined || this.fixed() !== undefined) return;
    const trace = currentTrace();
    if (trace === undefined) return;
    const running = [runningMean, runningVar] as const;
    if (trace.statistics !== undefined) {
      trace.statistics.push({ running, batch: batch(), momentum: this.momentumScalar, count });
      return;
    }
    const [m, v] = ops.batchNormRunning(running, batch(), this.momentumScalar, count);
    assign(runningMean, m);
    assign(runningVar, v);
  }
}
