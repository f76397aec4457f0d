/** Softmax and its logarithm as layers; the ops are in lib/ops/softmax.ts. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import { show } from '../../options';
import { declareSettings, kind, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker, withSettings } from '../layer';
import { Activation } from './activation';

const integer = kind<number>({
  check: (where, name, value) => {
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    throw new OptionError(`${where}: ${name} must be a whole number, got ${show(value)}`);
  },
  domain: { type: 'integer' },
});

const settings = declareSettings({
  axis: integer('Axis of the sums. Default: 1 for batches of any rank.', { optional: true, sparse: true }),
});

export type SoftmaxOptions = OptionsOf<typeof settings>;

export class Softmax extends withSettings(settings, Activation) {
  static override readonly kind: string = 'softmax';

  override forward(x: Tensor): Tensor {
    return ops.softmax(x, this.axis);
  }
}

export class LogSoftmax extends withSettings(settings, Activation) {
  static override readonly kind: string = 'logSoftmax';

  override forward(x: Tensor): Tensor {
    return ops.logSoftmax(x, this.axis);
  }
}

/** e^x / sum e^x along `axis`, by default 1. @throws OptionError */
export const softmax = maker(Softmax);

/** log softmax(x) along `axis`, by default 1. @throws OptionError */
export const logSoftmax = maker(LogSoftmax);
