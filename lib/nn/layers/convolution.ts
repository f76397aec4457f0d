/**
 * What convolution layers have in common: channels in groups, a weight with PyTorch's initial values, and how
 * their options are read.
 */
import { OptionError } from '../../errors';
import { pairFrom } from '../../ops/checks';
import type { KeptPadding, RowPadding } from '../../ops/padding';
import { declareSettings, kind, positiveInteger, type Kind } from '../../settings';
import type { Parameter } from '../../tensor/parameter';
import type { Shape } from '../../tensor/shape';
import type { Tensor } from '../../tensor/tensor';
import { withArguments } from '../layer';
import type { Channels } from '../typing';
import { WIDTH, type Width } from '../width';
import { noisyWeight, weightNoiseFields } from './noisy-weight';
import { weightAndBias, weightKeys, weightSettings } from './weights';

/** Channels of the input and of the output, which many layers take first. */
export const channelArguments = declareSettings({
  inChannels: positiveInteger('Channels of the input.'),
  outChannels: positiveInteger('Channels of the output.'),
});

/** For a setting that callers forget. The message says that it is an option and not an argument. */
function mustBeGiven<T, G>(of: Kind<T, G>): Kind<T, G> {
  const { check, domain } = of('');
  return kind<T, G>({
    check: (where, name, value) => {
      if (value === undefined) throw new OptionError(`${where}: { ${name} } must be given`);
      return check(where, name, value);
    },
    domain,
  });
}

export const kernel2d = mustBeGiven(pairFrom(1))('Height and width of the kernel.');
export const kernel1d = mustBeGiven(positiveInteger)('Length of the kernel.');

/** Settings that every convolution has, whatever its rank. */
const shared = declareSettings({
  groups: positiveInteger('Channels are split into this many groups that do not see each other.', {
    default: 1,
  }),
  ...weightSettings,
});

/** `Size` is the type of the kernel: a number or a pair. Subclasses declare their own settings. */
export abstract class Convolution<
  In extends number,
  Out extends number,
  Size extends number | readonly [number, number],
  Border extends RowPadding | KeptPadding,
> extends withArguments(channelArguments, shared, weightKeys) {
  static override readonly runtimeFields = weightNoiseFields;
  /** Whether the first axis of the weight is that of the inputs. */
  protected static readonly transposed: boolean = false;
  declare readonly channels?: Channels<In, Out>;
  declare readonly inChannels: In;
  declare readonly outChannels: Out;
  declare readonly kernel: Size;
  declare readonly stride: Size;
  declare readonly padding: Border;
  declare readonly dilation: Size;
  /** May be changed between steps. */
  declare dropConnect?: number | undefined;
  /** May be changed between steps. */
  declare weightNoise?: number | undefined;
  /** [Out, In / groups, ...kernel]; [In, Out / groups, ...kernel] of a transposed convolution. */
  readonly weight: Parameter;
  /** [Out] */
  readonly bias: Parameter | undefined;

  protected constructor(inChannels: In, outChannels: Out, options: object) {
    super({ inChannels, outChannels }, options);
    const { groups, kernel } = this;
    if (inChannels % groups !== 0 || outChannels % groups !== 0)
      throw new OptionError(
        `nn.${this.kind}: ${inChannels} and ${outChannels} channels cannot be split into ${groups} groups`,
      );
    const [rows, others] = new.target.transposed ? [inChannels, outChannels] : [outChannels, inChannels];
    const shape: Shape = [rows, others / groups, ...[kernel].flat()];
    ({ weight: this.weight, bias: this.bias } = weightAndBias(shape, outChannels, this.given));
  }

  /** The weight, or what is made of it, with what training does to it. */
  protected noisy(weight: Tensor): Tensor {
    return noisyWeight(this, weight);
  }

  /** @internal */
  override get [WIDTH](): Width {
    return this.inChannels;
  }
}
