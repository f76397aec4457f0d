/** The base of layers that pass on as many channels or features as they get. */
import { Module } from '../module';
import type { PassThrough } from '../typing';
import { WIDTH, type Width } from '../width';

export abstract class SameWidth extends Module {
  declare readonly channels?: PassThrough;

  /** @internal */
  override get [WIDTH](): Width {
    return 'same';
  }
}
