/** Programs of the native interpreter of augmentations; native/augment/program.h describes their numbers. */
import * as native from '../native';

/** Images at some place of a list. */
export interface ImageForm {
  readonly channels: number;
  readonly size: Size;
  /** The mean of each channel over the data, of values scaled to 0..1. */
  readonly mean: readonly number[];
}

export type Size = readonly [height: number, width: number];

/** A node of a program, and the size of what comes out of it. */
export interface Coded {
  readonly numbers: readonly number[];
  readonly size: Size;
}

const SEQUENCE = -1;
const ONE_OF = -2;
const SOME_OF = -3;

/** A parameter of an operation: low, high, and how it is drawn. */
export type Parameter = readonly [low: number, high: number, draw: number];

/** Always this number. */
export const fixed = (value: number): Parameter => [value, value, 0];
/** Uniform from low to below high. */
export const uniform = ([low, high]: readonly [number, number]): Parameter => [low, high, 1];
/** A whole number from low to high. */
export const whole = ([low, high]: readonly [number, number]): Parameter => [low, high, 2];
/** Uniform from low to below high, with a random sign. */
export const signed = ([low, high]: readonly [number, number]): Parameter => [low, high, 3];

let opcodes: ReadonlyMap<string, number> | undefined;

/** The number of an operation of native/augment/operations.cc. */
function opcodeOf(name: string): number {
  opcodes ??= new Map(native.augmentations().map((known, opcode) => [known, opcode]));
  return opcodes.get(name)!;
}

/** An operation of the native table, by its name there. */
export function operation(name: string, p: number, parameters: readonly Parameter[]): number[] {
  return [opcodeOf(name), p, ...parameters.flat()];
}

function group(kind: number, p: number, count: number, rest: readonly number[]): number[] {
  return [kind, p, rest.length, count, ...rest];
}

export function sequenceOf(p: number, nodes: readonly (readonly number[])[]): number[] {
  return group(SEQUENCE, p, nodes.length, nodes.flat());
}

export function oneOfNodes(
  p: number,
  nodes: readonly (readonly number[])[],
  weights: readonly number[],
): number[] {
  return group(ONE_OF, p, nodes.length, [...weights, ...nodes.flat()]);
}

/** A node that is one of these, drawn evenly; without any, one that leaves the image as it is. */
export function evenly(p: number, nodes: readonly (readonly number[])[]): number[] {
  if (nodes.length === 0) return operation('invert', 0, []);
  return oneOfNodes(
    p,
    nodes,
    nodes.map(() => 1),
  );
}

export function someOfNodes(
  p: number,
  nodes: readonly (readonly number[])[],
  [least, most]: readonly [number, number],
  replace: boolean,
): number[] {
  return group(SOME_OF, p, nodes.length, [least, most, Number(replace), ...nodes.flat()]);
}
