/** A layer and a shortcut around it. */
import { ShapeError } from '../../errors';
import * as ops from '../../ops';
import { formatShape, sameShape } from '../../tensor/shape';
import type { Tensor } from '../../tensor/tensor';
import { describe, type Json } from '../files/architecture';
import { refuseUnknown, register } from '../layer';
import { Module } from '../module';
import { checkModule } from './sublayers';

/** body(x) + shortcut(x). */
export class Residual extends Module {
  static override readonly kind: string = 'residual';
  readonly body: Module;
  readonly shortcut: Module | undefined;

  constructor(body: Module, shortcut?: Module) {
    super();
    checkModule('nn.residual', 'body', body);
    if (shortcut !== undefined) checkModule('nn.residual', 'shortcut', shortcut);
    this.body = body;
    this.shortcut = shortcut;
  }

  override forward(x: Tensor): Tensor {
    const y = this.body.forward(x);
    const skip = this.shortcut?.forward(x) ?? x;
    // Else a shape of ones would be spread over the other without a word.
    if (!sameShape(y.shape, skip.shape))
      throw new ShapeError(
        `residual: the body returns ${formatShape(y.shape)}, the shortcut ${formatShape(skip.shape)}`,
      );
    return ops.add(y, skip);
  }

  override config(): Json {
    return {
      body: describe(this.body),
      shortcut: this.shortcut === undefined ? null : describe(this.shortcut),
    };
  }
}

register(Residual, (config, child) => {
  refuseUnknown(config, ['body', 'shortcut']);
  const { body, shortcut } = config;
  return new Residual(child(body), shortcut === null ? undefined : child(shortcut));
});

/**
 * body(x) + shortcut(x) (He et al. 2016); without a shortcut, body(x) + x.
 * @throws OptionError; forward ShapeError when shapes differ
 */
export function residual(body: Module, shortcut?: Module): Residual {
  return new Residual(body, shortcut);
}
