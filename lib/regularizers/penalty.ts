/** L1 and L2 penalties on weights. */
import { OptionError } from '../errors';
import type { Module } from '../nn/module';
import * as ops from '../ops';
import { matcher, type ParameterMatch } from '../optim/groups';
import { nonNegative } from '../options';
import { declareSettings, kind } from '../settings';
import type { Parameter } from '../tensor/parameter';
import { runtimeScalar, type Tensor } from '../tensor/tensor';

/** Records a term of the loss, of rank 0. */
export type Regularizer = (model: Module) => Tensor;

/** A regularizer whose strength may be changed between steps; nothing is compiled anew. */
export interface Penalty extends Regularizer {
  lambda: number;
}

const settings = declareSettings({
  match: kind<ParameterMatch>({
    check: (_, __, value) => {
      matcher(value);
      return value as ParameterMatch;
    },
    domain: { type: 'other' },
  })(
    'Which parameters it acts on: a prefix of the name, a RegExp, or (name, parameter) => boolean, such as `optim.decays`, which leaves out biases and norms. Default: all that are trained.',
    { optional: true },
  ),
});

export interface PenaltyOptions {
  /**
   * Which parameters it acts on: a prefix of the name, a RegExp, or (name, parameter) => boolean, such as
   * `optim.decays`, which leaves out biases and norms. Default: all that are trained.
   */
  readonly match?: ParameterMatch;
}

function penalty(
  name: string,
  lambda: number,
  options: PenaltyOptions,
  of: (parameters: readonly Parameter[]) => Tensor,
): Penalty {
  const where = `regularizers.${name}`;
  const { match } = settings.read(where, options);
  const matches = match === undefined ? () => true : matcher(match);
  const record = (model: Module): Tensor => {
    const parameters = [...model.namedParameters()].filter(([key, p]) => p.requiresGrad && matches(key, p));
    if (parameters.length === 0)
      throw new OptionError(`${where}: the model has no trained parameter that matches`);
    const strength = runtimeScalar(() => nonNegative(where, 'lambda', made.lambda));
    return ops.mul(of(parameters.map(([, p]) => p)), ops.fromScalar(strength));
  };
  const made = Object.assign(record, { lambda: nonNegative(where, 'lambda', lambda) });
  return made;
}

/**
 * lambda / 2 times the sum of the squares of all weights. Its gradient is lambda w: for SGD the same as
 * `weightDecay: lambda`, which costs less; with Adam and other adaptive optimizers, as coupled decay.
 * @throws OptionError; where it is recorded, OptionError if it acts on no parameter
 */
export function l2(lambda: number, options: PenaltyOptions = {}): Penalty {
  return penalty('l2', lambda, options, (parameters) => ops.mul(ops.sumSquares(parameters), 0.5));
}

/**
 * lambda times the sum of the magnitudes of all weights, whose gradient lambda sign(w) drives small ones to 0
 * (Tibshirani 1996). @throws as l2
 */
export function l1(lambda: number, options: PenaltyOptions = {}): Penalty {
  return penalty('l1', lambda, options, (parameters) =>
    parameters.map((p) => ops.sum(ops.abs(p))).reduce((a, b) => ops.add(a, b)),
  );
}
