/** Checks of numbers that several optimizers have. */
import { OptionError } from '../errors';
import { show } from '../options';

/** A share of the past in a running mean: from 0 to below 1. @throws OptionError */
export function decayRate(where: string, name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value < 1) return value;
  throw new OptionError(`${where}: ${name} must be a number from 0 to below 1, got ${show(value)}`);
}

/** Two of them. @throws OptionError */
export function betas(where: string, name: string, value: unknown): [number, number] {
  const ok =
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((b) => typeof b === 'number' && b >= 0 && b < 1);
  if (!ok)
    throw new OptionError(`${where}: ${name} must be two numbers from 0 to below 1, got ${show(value)}`);
  return [...(value as [number, number])];
}
